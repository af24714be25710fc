//! Which room of a program may know which, read off its sources: every path that begins with `crate` or `super`, in `use`
//! trees and elsewhere. Code that is there for tests only does not count.

mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The order of a program's rooms.
struct Floors {
    /// Where its sources lie.
    sources: &'static str,
    /// Each room, which is a module by its path (one within another is a room of its own), and the rooms that it may know.
    /// Those come before it, so that there is no circle.
    rooms: &'static [(&'static str, &'static [&'static str])],
    /// Arrows that are there all the same: the file, the room, and why.
    exceptions: &'static [(&'static str, &'static str, &'static str)],
    /// The files and folders that may name a type generated from the schema of the wire.
    wire: &'static [&'static str],
}

#[test]
fn the_worker_has_floors() {
    check(&table::WORKER);
}

#[test]
fn the_supervisor_has_floors() {
    check(&table::SUPERVISOR);
}

fn check(floors: &Floors) {
    let mut files = Vec::new();
    gather(Path::new(env!("CARGO_MANIFEST_DIR")).join(floors.sources).as_path(), "", &mut files);
    assert!(files.len() > 20, "only {} files in {}", files.len(), floors.sources);
    let wrong = judge(floors, &files);
    assert!(wrong.is_empty(), "{}:\n{}", floors.sources, wrong.join("\n"));
}

/// All files of a folder that are part of the program: the path within the sources, and the text.
fn gather(directory: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        if path.is_dir() {
            gather(&path, &format!("{prefix}{name}/"), files);
        } else if name.ends_with(".rs") && name != "tests.rs" && !name.ends_with("_tests.rs") {
            files.push((format!("{prefix}{name}"), fs::read_to_string(&path).expect("text")));
        }
    }
}

/// What is wrong with the files of a program, one line each.
fn judge(floors: &Floors, files: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known = BTreeMap::new();
    for (room, may) in floors.rooms {
        for below in *may {
            if !known.contains_key(below) {
                wrong.push(format!("the table lets {room} know {below}, which does not come before it"));
            }
        }
        known.insert(*room, *may);
    }
    let (mut used, mut naming) = (BTreeSet::new(), BTreeSet::new());
    for (file, text) in files {
        let tokens = without_tests(tokens(text));
        let at = module(file);
        // The root only lists the rooms.
        if at.is_empty() {
            continue;
        }
        let Some(from) = room(&known, &at) else {
            wrong.push(format!("{file} is in no room of the table"));
            continue;
        };
        let targets: BTreeSet<&str> = paths(&tokens, &at).iter().filter_map(|path| room(&known, path)).collect();
        for to in targets {
            if to == from || known[from].contains(&to) {
                continue;
            }
            match floors.exceptions.iter().position(|(at, room, _)| at == file && *room == to) {
                Some(exception) => drop(used.insert(exception)),
                None => wrong.push(format!("{file}: {from} must not know {to}")),
            }
        }
        if names_the_wire(&tokens) {
            match floors.wire.iter().position(|allowed| file == allowed || file.starts_with(&format!("{allowed}/"))) {
                Some(allowed) => drop(naming.insert(allowed)),
                None => wrong.push(format!("{file} names a type of the wire")),
            }
        }
    }
    for (index, (file, to, reason)) in floors.exceptions.iter().enumerate() {
        if !used.contains(&index) {
            wrong.push(format!("the exception for {file} and {to} is needed no more ({reason})"));
        }
        if reason.is_empty() {
            wrong.push(format!("the exception for {file} and {to} has no reason"));
        }
    }
    for (index, file) in floors.wire.iter().enumerate().filter(|(index, _)| !naming.contains(index)) {
        wrong.push(format!("{file}, number {index} of those that may, names no type of the wire"));
    }
    wrong
}

/// The room of the table in which a path is: the innermost.
fn room<'a>(known: &BTreeMap<&'a str, &[&str]>, path: &[String]) -> Option<&'a str> {
    (1..=path.len()).rev().find_map(|length| Some(*known.get_key_value(path[..length].join("/").as_str())?.0))
}

/// Whether the tokens name a generated type of the wire. The enumeration of limits is the one that everybody may name.
fn names_the_wire(tokens: &[String]) -> bool {
    let modules = tokens.iter().enumerate().filter(|(_, token)| *token == "worker_capnp");
    let mut named = Vec::new();
    for (index, _) in modules {
        tree(tokens, index, Vec::new(), &mut named);
    }
    named.iter().any(|path| path.get(1).is_none_or(|name| name != "Limit"))
}

/// The module that a file is, as the names on the way to it.
fn module(file: &str) -> Vec<String> {
    let mut names: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|name| name == "mod" || name == "lib") {
        names.pop();
    }
    names
}

/// Names, numbers and punctuation of a source, `::` as one; without comments and without what is in quotes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            // A character, or the mark of a lifetime.
            let mut after = rest.chars().skip(1);
            match (after.next(), after.next()) {
                (Some('\\'), _) | (_, Some('\'')) => quoted(rest, '\''),
                _ => 1,
            }
        } else if is_name(first) {
            let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of what is in quotes, from its first to its last.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == quote && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |(at, _)| at + quote.len_utf8())
}

/// The length of a raw string that the text begins with.
fn raw_string(text: &str) -> Option<usize> {
    let marks = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let count = marks.find(|c| c != '#')?;
    let start = text.len() - marks.len() + count + 1;
    marks[count..].starts_with('"').then(|| {
        let end = format!("\"{}", "#".repeat(count));
        text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
    })
}

/// The tokens that are not part of an item with `#[cfg(test)]`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().map(String::as_str).take(MARK.len()).eq(MARK) {
            // To the end of the item: a semicolon, or the brace that closes the first.
            let mut depth = 0;
            while at < tokens.len() {
                let token = tokens[at].as_str();
                depth += i32::from(token == "{") - i32::from(token == "}");
                at += 1;
                if depth == 0 && matches!(token, ";" | "}") {
                    break;
                }
            }
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// All paths from the root of the crate that the tokens of the module `at` name.
fn paths(tokens: &[String], at: &[String]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let is_path = tokens.get(index + 1).is_some_and(|next| next == "::");
        let is_begun = index > 0 && tokens[index - 1] == "::";
        let base = match tokens[index].as_str() {
            "crate" => Some(Vec::new()),
            "super" => at.split_last().map(|(_, above)| above.to_vec()),
            _ => None,
        };
        match base {
            Some(base) if is_path && !is_begun => index = tree(tokens, index + 2, base, &mut paths),
            _ => index += 1,
        }
    }
    paths
}

/// Takes the rest of a path, or of a `use` tree, from `index`. Gives where it ends.
fn tree(tokens: &[String], mut index: usize, mut path: Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    while let Some(token) = tokens.get(index) {
        if token == "{" {
            index += 1;
            while tokens.get(index).is_some_and(|token| token != "}") {
                index = tree(tokens, index, path.clone(), paths);
                // What it is called here, and the comma.
                while tokens.get(index).is_some_and(|token| !matches!(token.as_str(), "," | "}")) {
                    index += 1;
                }
                index += usize::from(tokens.get(index).is_some_and(|token| token == ","));
            }
            return index + 1;
        }
        if token == "super" {
            path.pop();
        } else {
            path.push(token.clone());
        }
        index += 1;
        if tokens.get(index).is_none_or(|next| next != "::") {
            break;
        }
        index += 1;
    }
    paths.push(path);
    index
}

/// What the checks find in sources that are made up.
mod on_sources_that_are_made_up {
    use super::*;

    const MADE_UP: Floors = Floors {
        sources: "",
        rooms: &[("low", &[]), ("middle", &["low"]), ("high", &["low", "middle"])],
        exceptions: &[],
        wire: &["high/wire.rs"],
    };
    const WIRE: (&str, &str) = ("high/wire.rs", "use bulkhead_ipc::worker_capnp as wire;");

    fn found(floors: &Floors, files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> =
            files.iter().chain([&WIRE]).map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        judge(floors, &files)
    }

    #[test]
    fn one_forbidden_arrow_is_enough() {
        let fine = "use crate::{\n    low::{self, a as b},\n    middle::Thing,\n};\nfn f() { crate::low::g(); super::low::h() }";
        assert_eq!(found(&MADE_UP, &[("high.rs", fine), ("low.rs", "use std::io;")]), [""; 0]);
        for arrow in [
            "use crate::high;",
            "use crate::high::Thing;",
            "use crate::{low, high::{a, b}};",
            "use crate::{low::{a::{b}, c as d}, high};",
            "use crate::{\n    low,\n    // A comment: crate::low.\n    high::Thing,\n};",
            "pub(crate) use crate::high::*;",
            "fn f() -> crate::high::Thing { todo() }",
            "fn f() { let x = 'a'; let s = \"\\\"\"; crate::high::g::<'static>() }",
            "use super::high::Thing;",
            "impl<'a> crate::high::Trait<'a> for Thing {}",
            "const A: &str = r#\"crate\"#; use super::{low, high};",
        ] {
            let wrong = found(&MADE_UP, &[("middle.rs", arrow)]);
            assert_eq!(wrong, ["middle.rs: middle must not know high"], "{arrow}");
            // From within, `super` leads to the room itself.
            let deep = arrow.replace("super::", "super::super::");
            let wrong = found(&MADE_UP, &[("middle/inner.rs", &deep)]);
            assert_eq!(wrong, ["middle/inner.rs: middle must not know high"], "{deep}");
        }
    }

    #[test]
    fn what_is_no_arrow_does_not_count() {
        for text in [
            "// use crate::high;",
            "/* crate::high */ const A: &str = \"crate::high::Thing\";",
            "const A: &str = r##\"use crate::high;\"##;",
            "#[cfg(test)]\nmod tests { use crate::high; fn f() { crate::high::g() } }",
            "#[cfg(test)]\nuse crate::high;",
            "use super::Other;",
            "use crate::middle::high;",
            "use other::{crate_high, high};",
        ] {
            assert_eq!(found(&MADE_UP, &[("middle.rs", text)]), [""; 0], "{text}");
        }
        let after = "#[cfg(test)]\nmod tests { use crate::low; }\nuse crate::high;";
        assert_eq!(found(&MADE_UP, &[("middle.rs", after)]).len(), 1);
    }

    #[test]
    fn only_those_that_may_name_types_of_the_wire() {
        let wrong = found(&MADE_UP, &[("low.rs", "use bulkhead_ipc::{a, worker_capnp::limit};")]);
        assert_eq!(wrong, ["low.rs names a type of the wire"]);
        for (text, count) in [
            ("use bulkhead_ipc::worker_capnp::Limit;", 0),
            ("fn f() { bulkhead_ipc::worker_capnp::Limit::CpuTime }", 0),
            ("use bulkhead_ipc::worker_capnp::{Limit, host};", 1),
            ("use bulkhead_ipc::worker_capnp as wire;", 1),
            ("fn f() { bulkhead_ipc::worker_capnp::host::Client::g() }", 1),
        ] {
            assert_eq!(found(&MADE_UP, &[("low.rs", text)]).len(), count, "{text}");
        }
        let wrong = found(&Floors { wire: &["high/wire.rs", "middle"], ..MADE_UP }, &[]);
        assert_eq!(wrong, ["middle, number 1 of those that may, names no type of the wire"]);
    }

    #[test]
    fn an_exception_has_a_reason_and_is_needed() {
        let floors = Floors { exceptions: &[("middle.rs", "high", "for now")], ..MADE_UP };
        let arrow = ("middle.rs", "use crate::high;");
        assert_eq!(found(&floors, &[arrow]), [""; 0]);
        assert_eq!(found(&floors, &[]).len(), 1);
        assert_eq!(found(&floors, &[arrow, ("middle/b.rs", "use crate::high;")]).len(), 1);
        let floors = Floors { exceptions: &[("middle.rs", "high", "")], ..MADE_UP };
        assert_eq!(found(&floors, &[arrow]), ["the exception for middle.rs and high has no reason"]);
    }

    #[test]
    fn the_table_has_no_circle_and_every_room() {
        let floors = Floors { rooms: &[("low", &["high"]), ("high", &["low"])], ..MADE_UP };
        assert_eq!(found(&floors, &[]), ["the table lets low know high, which does not come before it"]);
        assert_eq!(found(&MADE_UP, &[("attic.rs", "")]), ["attic.rs is in no room of the table"]);
        // A room in a room.
        let floors = Floors { rooms: &[("low", &[]), ("low/inner", &["low"]), ("high", &["low/inner"])], ..MADE_UP };
        assert_eq!(
            found(&floors, &[("low/inner.rs", "use super::Thing;"), ("high.rs", "use crate::low::inner::f;")]),
            [""; 0]
        );
        assert_eq!(found(&floors, &[("low.rs", "use crate::low::inner::f;")]), ["low.rs: low must not know low/inner"]);
        assert_eq!(found(&floors, &[("high.rs", "use crate::low::f;")]), ["high.rs: high must not know low"]);
    }
}
