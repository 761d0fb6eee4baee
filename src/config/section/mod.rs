//! What the operator wrote, one table at a time: the file's values with the environment over them.
//!
//! The reader of a section asks for each key by name. What it has asked for is what is known: the
//! environment variables and the check for unknown keys follow from the asking, so that no list of
//! names stands beside the code and grows stale. serde would stop at the first wrong type, and its
//! messages repeat values.

mod nested;

use toml::{Table, Value};

use super::environment::{self, Environment};
use super::problem::{Findings, Problem};

/// A value was refused; the problem is already noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

/// One table of the file, being read.
pub(super) struct Section<'a> {
    path: String,
    table: Table,
    variables: Variables,
    known: Vec<&'static str>,
    /// The keys whose value came from a variable.
    overridden: Vec<&'static str>,
    environment: &'a Environment,
    findings: &'a mut Findings,
}

/// What the environment may say about the keys of a section.
#[derive(Clone, Copy)]
enum Variables {
    /// Every scalar key has a variable, and it wins over the file.
    Win(&'static str),
    /// The file has a list where the variables mean a single table: using one is an error.
    Clash(&'static str),
    /// There are none.
    None,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(table: Table, environment: &'a Environment, findings: &'a mut Findings) -> Self {
        Self {
            path: String::new(),
            table,
            variables: Variables::None,
            known: Vec::new(),
            overridden: Vec::new(),
            environment,
            findings,
        }
    }

    /// The path of this section, `listen[1]`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The path of one of its keys, `listen[1].address`.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The environment variables.
    pub(super) fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// Notes what is wrong with `key`, and with the variable that its value came from.
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) -> Refused {
        let mut message = message.into();
        if let Variables::Win(section) = self.variables
            && self.overridden.contains(&key)
        {
            message.push_str(&format!(" (from {})", environment::variable(section, key)));
        }
        let key = self.key(key);
        self.findings.problems.push(Problem { key, message });
        Refused
    }

    /// Notes what is doubtful about `key`.
    pub(super) fn warning(&mut self, key: &str, message: impl Into<String>) {
        let key = self.key(key);
        self.findings.warnings.push(Problem { key, message: message.into() });
    }

    /// Notes that `key` holds a secret that stands in the file itself.
    pub(super) fn literal_secret(&mut self, key: &str) {
        let key = self.key(key);
        self.findings.literal_secrets.push(key);
    }

    /// Notes that a secret was read from `file`.
    pub(super) fn secret_file(&mut self, file: &str) {
        self.findings.files.push(file.into());
    }

    /// Whether the file itself decides the value of `key`; to be asked before the key is read.
    pub(super) fn is_written(&self, key: &str) -> bool {
        self.table.contains_key(key) && self.override_of(key).is_none()
    }

    /// Puts `value` where the file says nothing.
    pub(super) fn supply(&mut self, key: &str, value: Value) {
        self.table.entry(key).or_insert(value);
    }

    /// The value of `key` as it was written in the file; nothing stands over it.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// The value of a scalar key, which an environment variable may override. `parse` says what
    /// would be right, and must not repeat the value.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(Value) -> Result<T, String>,
    ) -> Result<Option<T>, Refused> {
        self.refuse_variable(key);
        let written = self.take(key);
        let overriding = self.override_of(key);
        self.overridden.extend(overriding.as_ref().map(|_| key));
        let parsed = match overriding {
            Some(text) => text.and_then(|text| parse(Value::String(text.to_owned()))).map(Some),
            None => written.map(parse).transpose(),
        };
        parsed.map_err(|message| self.problem(key, message))
    }

    /// As [`read`](Self::read), with a default for what is missing. It also stands in for what was
    /// refused: then the configuration is not used.
    pub(super) fn read_or<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(Value) -> Result<T, String>,
    ) -> T {
        self.read(key, parse).ok().flatten().unwrap_or(default)
    }

    /// The values of a list, each parsed alone; lists have no variable.
    pub(super) fn items<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(Value) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, Refused> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(values)) => {
                let parsed = values.into_iter().enumerate().map(|(index, value)| {
                    parse(value).map_err(|message| self.problem(&format!("{key}[{index}]"), message))
                });
                // All items are parsed before the first refusal counts: every one is to be reported.
                parsed.collect::<Vec<_>>().into_iter().collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(self.problem(key, "must be a list in square brackets")),
        }
    }

    /// Ends the reading: what nobody asked for is unknown.
    pub(super) fn finish(mut self) {
        let unknown: Vec<String> = self.table.keys().map(|key| key.escape_debug().to_string()).collect();
        for key in unknown {
            let known = self.known.join(", ");
            let message = match nearest(&key, &self.known) {
                Some(near) => format!("unknown key; did you mean \"{near}\"? (known here: {known})"),
                None => "unknown key".to_owned(),
            };
            self.problem(&key, message);
        }
    }

    /// The text of the variable that overrides `key`.
    fn override_of(&self, key: &str) -> Option<Result<&'a str, String>> {
        let Variables::Win(section) = self.variables else { return None };
        self.environment.text(&environment::variable(section, key))
    }

    fn refuse_variable(&mut self, key: &str) {
        let Variables::Clash(section) = self.variables else { return };
        let variable = environment::variable(section, key);
        if self.environment.text(&variable).is_some() {
            let message =
                format!("{variable} is set, but the file has [[{section}]]: which one is meant? Use [{section}]");
            self.findings.problems.push(Problem { key: section.to_owned(), message });
        }
    }
}

/// The known name that looks most like `key`.
pub(super) fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    known.iter().copied().min_by_key(|name| strsim::damerau_levenshtein(key, name))
}
