//! The house as docs/architecture.md draws it, held against the code's own imports.
//!
//! A *room* is a folder or a file directly under `src/`; a *floor* is what stands between two lines of dashes in the
//! drawing. Test code is left out: a test may look anywhere.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; clippy.toml's leave does not reach the helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const DOCUMENT: &str = include_str!("../docs/architecture.md");

/// Where a module is: `["token", "slot"]` for `src/token/slot.rs`, `["token"]` for `src/token/mod.rs`, `[]` for `src/lib.rs`.
type Place = Vec<String>;

#[test]
fn the_drawing_shows_the_rooms_that_there_are() {
    let drawn: BTreeSet<String> = floors().into_iter().flatten().collect();
    let found = fs::read_dir("src").unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() { format!("{name}/") } else { name }
    });
    // lib.rs stands on no floor: it names the rooms and does nothing else.
    assert_eq!(drawn, found.filter(|name| name != "lib.rs").collect());
}

#[test]
fn a_room_imports_only_what_is_on_lower_floors() {
    let floors = floors();
    let floor_of = |room: &str| floors.iter().position(|rooms| rooms.iter().any(|drawn| without_ending(drawn) == room));
    let mut wrong = Vec::new();
    for (from, to) in House::read().imports() {
        let (Some(room), Some(imported)) = (from.first(), to.first()) else {
            wrong.push(format!("{} (lib.rs is no place to import from or into)", imports(&from, &to)));
            continue;
        };
        if room != imported && floor_of(room).unwrap() >= floor_of(imported).unwrap() {
            wrong.push(imports(&from, &to));
        }
    }
    assert!(wrong.is_empty(), "not downwards:\n{}", wrong.join("\n"));
}

#[test]
fn neighbours_in_a_folder_do_not_import_each_other_in_a_circle() {
    let mut neighbours: BTreeMap<Place, BTreeSet<Place>> = BTreeMap::new();
    for (from, to) in House::read().imports() {
        // Looked at where their ways part: a folder counts as one with all that is in it. A module and those under it do
        // not part; they are one thing in several files, and may know each other.
        let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        if shared < from.len() && shared < to.len() {
            neighbours.entry(from[..=shared].to_vec()).or_default().insert(to[..=shared].to_vec());
        }
    }
    let circles = circles(neighbours);
    let lines: Vec<String> = circles.iter().flat_map(|(from, to)| to.iter().map(|to| imports(from, to))).collect();
    assert!(lines.is_empty(), "in a circle, or on the way to one:\n{}", lines.join("\n"));
}

#[test]
fn every_dependency_is_justified_and_every_justified_crate_is_one() {
    let manifest: toml::Table = fs::read_to_string("Cargo.toml").unwrap().parse().unwrap();
    let tables = ["dependencies", "dev-dependencies"].map(|table| manifest[table].as_table().unwrap());
    let dependencies: BTreeSet<&str> = tables.iter().flat_map(|table| table.keys()).map(String::as_str).collect();
    let rows = section("## 9. Crates").lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(dependencies, rows.collect());
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let text =
        "use super::{self, a::{b, c as d}};\npub use crate::x::Y;\n// crate::not\nfn f() { super::super::z::g() }\n";
    let found: BTreeSet<String> = paths(text).into_iter().map(|path| path.join("::")).collect();
    let expected = ["super", "super::a::b", "super::a::c", "crate::x::Y", "super::super::z::g"];
    assert!(expected.iter().all(|path| found.contains(*path)), "{found:?}");
    assert!(!found.iter().any(|path| path.contains("not")), "{found:?}");
}

/// The rooms of each floor, from the top down.
fn floors() -> Vec<Vec<String>> {
    let (_, drawing) = DOCUMENT.split_once("```floors\n").unwrap();
    let (drawing, _) = drawing.split_once("\n```").unwrap();
    let mut floors = vec![Vec::new()];
    for line in drawing.lines() {
        match line.split_whitespace().next() {
            Some(dashes) if dashes.starts_with("--") => floors.push(Vec::new()),
            Some(room) => floors.last_mut().unwrap().push(room.to_owned()),
            None => {}
        }
    }
    floors
}

/// A chapter of the document, from its heading to the next.
fn section(heading: &str) -> &'static str {
    let (_, text) = DOCUMENT.split_once(heading).unwrap();
    text.split("\n## ").next().unwrap()
}

fn without_ending(room: &str) -> &str {
    room.trim_end_matches('/').trim_end_matches(".rs")
}

fn imports(from: &Place, to: &Place) -> String {
    let [from, to] = [from, to].map(|place| if place.is_empty() { "lib".to_owned() } else { place.join("::") });
    format!("{from} imports {to}")
}

/// What is left when everything that leads nowhere is taken away, again and again.
fn circles(mut imports: BTreeMap<Place, BTreeSet<Place>>) -> BTreeMap<Place, BTreeSet<Place>> {
    loop {
        let before = imports.len();
        let importing: BTreeSet<Place> = imports.keys().cloned().collect();
        imports.values_mut().for_each(|to| to.retain(|place| importing.contains(place)));
        imports.retain(|_, to| !to.is_empty());
        if imports.len() == before {
            return imports;
        }
    }
}

/// The modules under `src/`, each with the paths that its code names.
struct House(BTreeMap<Place, Vec<Vec<String>>>);

impl House {
    fn read() -> Self {
        let mut house = Self(BTreeMap::new());
        house.enter(Path::new("src"), &Vec::new());
        house
    }

    fn enter(&mut self, folder: &Path, place: &Place) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let within: Place = place.iter().cloned().chain([stem.clone()]).collect();
            match stem.as_str() {
                "tests" => {}
                _ if path.is_dir() => self.enter(&path, &within),
                // Data beside code, which may have the same name.
                _ if path.extension().is_none_or(|extension| extension != "rs") => {}
                "lib" | "mod" => _ = self.0.insert(place.clone(), paths(&fs::read_to_string(&path).unwrap())),
                _ => _ = self.0.insert(within, paths(&fs::read_to_string(&path).unwrap())),
            }
        }
    }

    /// Who imports whom. Re-exports are seen through: what a module imports from its parent may be a neighbour's.
    fn imports(&self) -> BTreeSet<(Place, Place)> {
        let mut imports = BTreeSet::new();
        for (from, paths) in &self.0 {
            for (to, item) in paths.iter().filter_map(|path| self.find(from, path)) {
                let named = self.0[&to].iter().filter(|path| item.is_some() && path.last() == item);
                let mut sources = named.filter_map(|path| Some(self.find(&to, path)?.0));
                let to = sources.find(|source| source.len() > to.len() && source.starts_with(&to)).unwrap_or(to);
                if to != *from {
                    imports.insert((from.clone(), to));
                }
            }
        }
        imports
    }

    /// The module that a path leads to, and the item that it names there; `None` where it leads into another crate.
    fn find<'a>(&self, from: &Place, path: &'a [String]) -> Option<(Place, Option<&'a String>)> {
        let mut place = from.clone();
        for (index, segment) in path.iter().enumerate() {
            match segment.as_str() {
                "crate" | "wxgate" => place.clear(),
                "super" => _ = place.pop(),
                "self" => {}
                _ => {
                    place.push(segment.clone());
                    if !self.0.contains_key(&place) {
                        place.pop();
                        return (index > 0).then_some((place, Some(segment)));
                    }
                }
            }
        }
        Some((place, None))
    }
}

/// The paths in a file's code: those of its `use` declarations, and others that begin at the crate or above the module.
fn paths(text: &str) -> Vec<Vec<String>> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let mut paths = Vec::new();
    for declaration in code.split(';').filter_map(|statement| statement.rsplit_once("use ")) {
        leaves(declaration.1, &mut Vec::new(), &mut paths);
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for word in code.split(|c| !is_part(c)).filter(|word| word.starts_with("crate::") || word.starts_with("super::")) {
        paths.push(segments(word));
    }
    paths
}

/// `a::{self, b::{c, d as e}}` → `a`, `a::b::c`, `a::b::d`.
fn leaves(tree: &str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap();
        paths.push(before.iter().cloned().chain(segments(path)).collect());
        return;
    };
    let length = before.len();
    before.extend(segments(prefix));
    let mut depth = 0;
    let branches = rest.trim_end_matches(|c| c != '}').strip_suffix('}').unwrap_or(rest).split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    for branch in branches.filter(|branch| !branch.trim().is_empty()) {
        leaves(branch, before, paths);
    }
    before.truncate(length);
}

fn segments(path: &str) -> Vec<String> {
    let segments = path.split("::").map(str::trim).filter(|segment| !segment.is_empty());
    segments.map(str::to_owned).collect()
}
