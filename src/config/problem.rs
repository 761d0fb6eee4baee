//! What is wrong with a configuration, in words for the operator.
//!
//! A problem never repeats a value: the value may be a secret that landed in the wrong place.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong (or, among warnings, doubtful), and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key's path (`account[1].appid`); for a file that is no TOML, the file, line and column.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// All that is wrong with a configuration; prints one problem a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// What a reading brings to light besides the values.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// The keys whose secrets stand in the file itself.
    pub(super) literal_secrets: Vec<String>,
    /// The files in which secrets were found.
    pub(super) files: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_print_one_a_line() {
        let problem = |key: &str| Problem { key: key.to_owned(), message: "is wrong".to_owned() };
        let problems = Problems(vec![problem("server.workers"), problem("account[0].secret")]);
        assert_eq!(problems.to_string(), "server.workers: is wrong\naccount[0].secret: is wrong");
    }
}
