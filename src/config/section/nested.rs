//! Tables within a table: `[section]`, `[[section]]` and values that are tables.

use toml::{Table, Value};

use super::{Section, Variables};

impl Section<'_> {
    /// The table `[key]`, empty where the file has none.
    pub(in crate::config) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let table = match self.take(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.problem(key, format!("must be a table: [{key}]"));
                Table::new()
            }
        };
        self.child(key, table, Variables::Win(key), read)
    }

    /// The tables `[[key]]`; `None` where the file has none.
    pub(in crate::config) fn sections<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Section<'_>) -> T,
    ) -> Option<Vec<T>> {
        self.each(key, Variables::None, read)
    }

    /// One table `[key]`, or several `[[key]]`.
    pub(in crate::config) fn section_or_sections<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Section<'_>) -> T,
    ) -> Vec<T> {
        match self.table.get(key) {
            Some(Value::Array(_)) => self.each(key, Variables::Clash(key), read).unwrap_or_default(),
            _ => vec![self.section(key, read)],
        }
    }

    /// A table inside this one that is a value: it has no variables.
    pub(in crate::config) fn inline<T>(
        &mut self,
        key: &'static str,
        table: Table,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        self.child(key, table, Variables::None, read)
    }

    /// What the environment may say is asked for the first table alone: once is enough.
    fn each<T>(&mut self, key: &'static str, first: Variables, read: impl Fn(&mut Section<'_>) -> T) -> Option<Vec<T>> {
        let Value::Array(values) = self.take(key)? else {
            self.problem(key, format!("must be a list of tables: [[{key}]]"));
            return Some(Vec::new());
        };
        let mut sections = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let item = format!("{key}[{index}]");
            let variables = if index == 0 { first } else { Variables::None };
            match value {
                Value::Table(table) => sections.push(self.child(&item, table, variables, &read)),
                _ => {
                    self.problem(&item, format!("must be a table: [[{key}]]"));
                }
            }
        }
        Some(sections)
    }

    fn child<T>(
        &mut self,
        key: &str,
        table: Table,
        variables: Variables,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let (path, environment, findings) = (self.key(key), self.environment, &mut *self.findings);
        let mut child =
            Section { path, table, variables, known: Vec::new(), overridden: Vec::new(), environment, findings };
        let value = read(&mut child);
        child.finish();
        value
    }
}
