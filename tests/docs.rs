//! The documents, held against the code: what they name exists, and what operators need to know is named.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; clippy.toml's leave does not reach the helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wxgate::config::{Environment, parse};

const OPERATIONS: [&str; 2] = [include_str!("../docs/operations.md"), include_str!("../docs/operations.zh-CN.md")];
const DEVELOPMENT: &str = include_str!("../docs/development.md");
const READMES: [&str; 2] = [include_str!("../README.md"), include_str!("../README.zh-CN.md")];

#[test]
fn every_kind_of_error_is_in_the_table_with_its_status_and_errcode() {
    let code = fs::read_to_string("src/gateway/error.rs").unwrap();
    let forms =
        code.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("=> (\"")).map(|(_, form)| {
            let form: Vec<&str> = form.splitn(4, ", ").collect();
            (form[0].trim_end_matches('"').to_owned(), form[1].to_owned(), form[2].replace('_', ""))
        });
    let forms: BTreeSet<_> = forms.collect();
    for rows in in_both(["| kind | status | errcode |", "| 种类 | 状态码 | errcode |"]) {
        let rows = rows.iter().map(|cells| {
            let [kind, status, errcode] = [0, 1, 2].map(|cell| cells[cell].trim_matches('`').to_owned());
            (kind, status, errcode)
        });
        assert_eq!(forms, rows.collect());
    }
}

#[test]
fn every_errcode_of_the_token_endpoints_is_in_the_table() {
    let code = fs::read_to_string("src/wechat/meaning.rs").unwrap();
    let known = code.split("row(").skip(2).filter_map(|row| match row.split(',').next().unwrap().trim() {
        "SYSTEM_BUSY" => Some(-1),
        errcode => errcode.parse::<i64>().ok(),
    });
    let known: BTreeSet<i64> = known.collect();
    for rows in in_both(["| errcode | what it means |", "| errcode | 意思 |"]) {
        let listed = rows.iter().flat_map(|cells| cells[0].split(", ").filter_map(|code| code.parse().ok()));
        assert_eq!(known, listed.collect());
    }
}

#[test]
fn every_errcode_of_ordinary_calls_is_explained_in_both_languages() {
    let known = ordinary_errcodes();
    for (document, head) in [
        (include_str!("../docs/troubleshooting.md"), "| errcode | what it means |"),
        (include_str!("../docs/troubleshooting.zh-CN.md"), "| errcode | 意思 |"),
    ] {
        let explained = table(document, head)
            .flat_map(|cells| cells[0].split(", ").filter_map(|code| code.parse().ok()).collect::<Vec<i64>>());
        assert_eq!(known, explained.collect());
    }
}

#[test]
fn every_advice_for_ordinary_calls_has_its_source_in_wechat_md() {
    let (_, section) = include_str!("../docs/wechat.md").split_once("### Errcodes of ordinary calls").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let named = section.split(|c: char| !(c.is_ascii_digit() || c == '-')).filter_map(|word| word.parse::<i64>().ok());
    let named: BTreeSet<i64> = named.filter(|number| !(0..40_000).contains(number)).collect();
    assert_eq!(named, ordinary_errcodes());
}

#[test]
fn every_kind_of_trouble_is_in_the_table_and_the_page_says_it_in_chinese() {
    let code = fs::read_to_string("src/admin/trouble.rs").unwrap();
    let (code, _) = code.split_once("#[cfg(test)]").unwrap();
    let is_kind = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let kinds: BTreeSet<&str> = code.split('"').skip(1).step_by(2).filter(is_kind).collect();
    assert!(kinds.len() > 5, "{kinds:?}");
    for rows in in_both(["| trouble | what it means |", "| 问题 | 意思 |"]) {
        assert_eq!(kinds, rows.iter().map(|cells| cells[0].trim_matches('`')).collect());
    }
    let (_, words) = include_str!("../src/admin/page/words.js").split_once("    trouble: {\n").unwrap();
    let words = words.split("\n    },").next().unwrap();
    let said = words.lines().filter_map(|line| line.strip_prefix("      ")?.split_once(": (")).map(|(kind, _)| kind);
    assert_eq!(kinds, said.collect());
}

#[test]
fn every_log_line_in_the_table_is_one_that_the_code_writes() {
    // A string that goes on in the next line has no line break in it.
    let source: String = code().iter().map(|text| text.replace("\\\n", "\n").replace('\n', " ")).collect();
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    for cells in in_both(["| line | level |", "| 日志 | 级别 |"]).into_iter().flatten() {
        let line = cells[0].trim_matches('`').trim();
        assert!(source.contains(line), "no log line: {line}");
    }
}

#[test]
fn the_admin_paths_are_documented_and_exist() {
    let code = fs::read_to_string("src/admin/mod.rs").unwrap();
    let routes: BTreeSet<&str> = code.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for rows in in_both(["| path | answer |", "| 路径 | 应答 |"]) {
        let listed = rows.iter().map(|cells| cells[0].trim_matches('`').split('?').next().unwrap());
        assert_eq!(routes, listed.collect());
    }
}

#[test]
fn the_sandboxs_controls_are_documented_and_exist() {
    let code = fs::read_to_string("src/sandbox/control/mod.rs").unwrap();
    let controls = code.split("(&Method::").skip(1).map(|arm| arm.split('"').nth(1).unwrap());
    let is_name = |c: char| c.is_ascii_alphabetic() || c == '-';
    let mentioned = ["$S/", "_sandbox/"].into_iter().flat_map(|before| DEVELOPMENT.split(before).skip(1));
    let mentioned = mentioned.map(|rest| rest.split(|c| !is_name(c)).next().unwrap());
    assert_eq!(controls.collect::<BTreeSet<_>>(), mentioned.collect());
}

#[test]
fn every_key_and_variable_that_a_document_names_is_one() {
    let sections = sections();
    for (path, text) in documents() {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        for word in words.map(|word| word.trim_end_matches('.')) {
            if let Some((section, name)) = key_of(word, &sections) {
                assert!(is_known(&section, &name), "{}: {word} is no key", path.display());
            }
        }
    }
}

#[test]
fn the_configurations_in_the_readmes_are_valid() {
    let variables = ["MAIN_APPID", "MAIN_SECRET", "SHOP_SECRET"];
    let environment = Environment::from_iter(variables.map(|name| (name, name.to_lowercase())));
    for readme in READMES {
        let mut blocks = blocks(readme, "toml").peekable();
        assert!(blocks.peek().is_some());
        for block in blocks {
            parse(&block, &environment).unwrap_or_else(|problems| panic!("{problems}\nin:\n{block}"));
        }
    }
}

#[test]
fn both_readmes_show_the_same_commands_and_code() {
    for language in ["sh", "console", "toml", "python", "js", "java"] {
        let [english, chinese] = READMES.map(|readme| blocks(readme, language).map(|block| without_comments(&block)));
        assert_eq!(english.collect::<Vec<_>>(), chinese.collect::<Vec<_>>());
    }
}

#[test]
fn the_two_commands_of_the_readme_are_what_ci_runs() {
    let ci = fs::read_to_string(".ci/run").unwrap();
    let commands: Vec<String> = blocks(READMES[0], "sh").filter(|block| block.lines().count() == 1).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    for command in commands {
        assert!(ci.lines().any(|line| line.trim_start().starts_with(command.trim())), ".ci/run lacks {command}");
    }
}

#[test]
fn every_link_and_every_named_document_leads_somewhere() {
    for (path, text) in documents() {
        let folder = path.parent().unwrap();
        let links = text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            assert!(folder.join(link).exists(), "{}: {link}", path.display());
        }
    }
    let names: BTreeSet<String> =
        documents().iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_lowercase()).collect();
    for text in code() {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-'));
        for word in words.filter(|word| word.ends_with(".md")) {
            assert!(names.contains(&word.to_lowercase()), "{word} is named, and is no document here");
        }
    }
}

#[test]
fn every_link_into_a_document_leads_to_one_of_its_headings() {
    for (path, text) in documents() {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next().unwrap().split_once('#'));
        for (file, anchor) in links.filter(|(file, _)| !file.contains("://")) {
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let headings = anchors(&fs::read_to_string(target).unwrap());
            assert!(headings.contains(anchor), "{}: {file}#{anchor}", path.display());
        }
    }
}

/// What the English tables name is held against the code, here and in `tests/gateway`; so the Chinese ones are as well.
#[test]
fn both_languages_have_the_same_sections_and_name_the_same_things_in_their_tables() {
    let documents = documents();
    let chinese: Vec<_> = documents.iter().filter(|(path, _)| path.to_string_lossy().ends_with(".zh-CN.md")).collect();
    assert!(chinese.len() > 1);
    for (path, chinese) in chinese {
        let [name, path] = [path.file_name().unwrap(), path.as_os_str()].map(|name| name.to_str().unwrap());
        let english = fs::read_to_string(path.replace(".zh-CN", "")).unwrap();
        assert!(english.contains(&format!("[中文]({name})")), "{path} is not linked");
        assert!(chinese.contains(&format!("[English]({})", name.replace(".zh-CN", ""))), "{path} links to no other");
        let sections = [&english, chinese].map(|text| text.lines().filter(|line| line.starts_with("## ")).count());
        assert_eq!(sections[0], sections[1], "{path}");
        assert_eq!(named_in_rows(&english), named_in_rows(chinese), "{path}");
    }
}

/// The READMEs and what lies in `docs/`.
fn documents() -> Vec<(PathBuf, String)> {
    let files = fs::read_dir("docs").unwrap().chain(fs::read_dir(".").unwrap()).map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The errcodes of ordinary calls for which there is advice.
fn ordinary_errcodes() -> BTreeSet<i64> {
    let code = fs::read_to_string("src/wechat/call_advice.rs").unwrap();
    let (_, rows) = code.split_once("static ADVICE").unwrap();
    let rows = rows.split("];").next().unwrap().replace(char::is_whitespace, "");
    let known: BTreeSet<i64> = rows.split('(').filter_map(|row| row.split(',').next()?.parse().ok()).collect();
    assert!(known.len() > 30);
    known
}

/// The text of every file under `src/`.
fn code() -> Vec<String> {
    fn enter(folder: &Path, texts: &mut Vec<String>) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { enter(&path, texts) } else { texts.push(fs::read_to_string(path).unwrap()) }
        }
    }
    let mut texts = Vec::new();
    enter(Path::new("src"), &mut texts);
    texts
}

/// The cells of each row of the table that begins with `head`.
fn table<'t>(text: &'t str, head: &str) -> impl Iterator<Item = Vec<&'t str>> {
    let (_, rest) = text.split_once(head).unwrap();
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// The rows of a table of the operator's guide, English and Chinese, by how it begins in each.
fn in_both(heads: [&str; 2]) -> Vec<Vec<Vec<&'static str>>> {
    OPERATIONS.into_iter().zip(heads).map(|(text, head)| table(text, head).collect()).collect()
}

/// What stands in backquotes in the first cell of each row of each table.
fn named_in_rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    rows.map(|cell| cell.split('`').skip(1).step_by(2).collect()).collect()
}

/// By what links lead to the headings of a text: lower case, without marks, a hyphen for each space.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let is_mark = |c: char| !(c.is_alphanumeric() || [' ', '-', '_'].contains(&c));
    headings.map(|heading| heading.to_lowercase().replace(is_mark, "").replace(' ', "-")).collect()
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> impl Iterator<Item = String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect::<Vec<_>>().into_iter()
}

fn without_comments(block: &str) -> String {
    let code =
        |line: &str| line.split("  #").next().unwrap().split("  //").next().unwrap().trim_end().to_owned() + "\n";
    block.lines().filter(|line| !line.starts_with('#')).map(code).collect()
}

/// The sections of a configuration: what it does not know, it calls unknown, and says what it knows.
fn sections() -> Vec<String> {
    let problems = parse("no-such-section = 1", &Environment::default()).unwrap_err();
    let message = problems.0.into_iter().find(|problem| problem.key == "no-such-section").unwrap().message;
    let (_, known) = message.split_once("known here: ").unwrap();
    known.trim_end_matches(')').split(", ").map(str::to_owned).collect()
}

/// `section.key` for a word that is one, or that is the variable of one.
fn key_of(word: &str, sections: &[String]) -> Option<(String, String)> {
    let key = match word.strip_prefix("WXGATE_") {
        Some("APPID" | "SECRET") | None => word.to_owned(),
        Some(rest) => rest.to_lowercase().replacen('_', ".", 1),
    };
    let (section, name) = key.split_once('.')?;
    let is_file = ["rs", "toml", "md"].contains(&name);
    (sections.iter().any(|known| known == section) && !is_file).then(|| (section.to_owned(), name.to_owned()))
}

fn is_known(section: &str, name: &str) -> bool {
    [format!("[{section}]"), format!("[[{section}]]")].into_iter().any(|header| {
        let Err(problems) = parse(&format!("{header}\n{name} = []"), &Environment::default()) else { return true };
        let is_table = problems.0.iter().all(|problem| problem.key != section);
        is_table && !problems.0.iter().any(|problem| problem.message.starts_with("unknown key"))
    })
}
