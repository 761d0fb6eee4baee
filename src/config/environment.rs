//! The environment variables, and which of them stands for which key.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

/// The environment variables that a configuration may refer to. Its `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct Environment(HashMap<OsString, OsString>);

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The text of `name`, where it is set. An empty variable is set: it stands for an empty value.
    ///
    /// # Errors
    ///
    /// When the variable is set to something that is not UTF-8; the message does not repeat it.
    pub(super) fn text(&self, name: &str) -> Option<Result<&str, String>> {
        let value = self.0.get(OsStr::new(name))?;
        Some(value.to_str().ok_or_else(|| format!("the environment variable {name} is not UTF-8")))
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// The variable that stands for `section.key`: `WXGATE_SECTION_KEY`.
///
/// No section may be called `port` or `service`: Kubernetes sets `WXGATE_PORT…` and
/// `WXGATE_SERVICE_…` in every pod that lives beside a service called "wxgate".
pub(super) fn variable(section: &str, key: &str) -> String {
    format!("WXGATE_{section}_{key}").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_key_has_a_variable_of_its_own() {
        assert_eq!(variable("upstream", "base_url"), "WXGATE_UPSTREAM_BASE_URL");
    }

    #[test]
    fn debug_output_shows_no_variable() {
        let environment = Environment::from_iter([("WXGATE_SECRET", "s3cr3t-value")]);
        assert_eq!(format!("{environment:?}"), "Environment { .. }");
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_an_error_that_does_not_repeat_it() {
        let environment = Environment::from_iter([("X", OsString::from_vec(b"hidden\xff".to_vec()))]);
        assert_eq!(environment.text("X"), Some(Err("the environment variable X is not UTF-8".to_owned())));
        assert_eq!(environment.text("Y"), None);
    }
}
