//! The tables of the Web Platform Tests, against the record that the class wraps.

use ada_url::Url;
use serde_json::{Map, Value};

/// Reads a table. Lone surrogates, which Rust text cannot hold, become U+FFFD, as the conversion to `USVString` makes
/// of them before the parser sees them.
fn table(text: &str) -> Value {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let unit = |from: usize| {
            let escape = rest.get(from..from + 6)?.strip_prefix("\\u")?;
            u32::from_str_radix(escape, 16).ok()
        };
        let taken = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str("\\ufffd");
                rest = &rest[at + 6..];
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        out.push_str(&rest[at..at + taken]);
        rest = &rest[at + taken..];
    }
    out.push_str(rest);
    serde_json::from_str(&out).expect("the table is JSON")
}

fn objects(table: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    // Strings between the cases are comments.
    table.as_array().expect("the table is a list").iter().filter_map(Value::as_object)
}

fn part(url: &Url, name: &str) -> String {
    match name {
        "href" => url.href(),
        "origin" => return url.origin(),
        "protocol" => url.protocol(),
        "username" => url.username(),
        "password" => url.password(),
        "host" => url.host(),
        "hostname" => url.hostname(),
        "port" => url.port(),
        "pathname" => url.pathname(),
        "search" => url.search(),
        "hash" => url.hash(),
        _ => panic!("a URL has no {name}"),
    }
    .to_owned()
}

#[test]
fn wpt_urltestdata() {
    let table = table(include_str!("../../../../tests/wpt/data/urltestdata.json"));
    let mut count = 0;
    for case in objects(&table) {
        count += 1;
        let input = case["input"].as_str().expect("an input is text");
        let base = case["base"].as_str();
        let found = Url::parse(input, base);
        assert_eq!(Url::can_parse(input, base), found.is_ok(), "{input:?} against {base:?}");
        if case.get("failure").is_some_and(|failure| failure == true) {
            assert!(found.is_err(), "{input:?} against {base:?}: {found:?}");
            continue;
        }
        let url = found.unwrap_or_else(|_| panic!("{input:?} against {base:?} was refused"));
        for (name, expected) in case {
            if !matches!(name.as_str(), "input" | "base" | "comment" | "searchParams" | "relativeTo") {
                assert_eq!(part(&url, name), *expected, "{name} of {input:?} against {base:?}");
            }
        }
    }
    assert!(count > 800, "only {count} cases");
}

#[test]
fn wpt_setters() {
    let table = table(include_str!("../../../../tests/wpt/data/setters_tests.json"));
    let mut count = 0;
    for (attribute, cases) in table.as_object().expect("the table is an object") {
        if attribute == "comment" {
            continue;
        }
        for case in objects(cases) {
            count += 1;
            let href = case["href"].as_str().expect("a URL is text");
            let value = case["new_value"].as_str().expect("a value is text");
            let mut url = Url::parse(href, None).expect("the URL is valid");
            let _ = match attribute.as_str() {
                "href" => url.set_href(value),
                "protocol" => url.set_protocol(value),
                "username" => url.set_username(Some(value)),
                "password" => url.set_password(Some(value)),
                "host" => url.set_host(Some(value)),
                "hostname" => url.set_hostname(Some(value)),
                "port" => url.set_port(Some(value)),
                "pathname" => url.set_pathname(Some(value)),
                "search" => {
                    url.set_search(Some(value));
                    Ok(())
                }
                "hash" => {
                    url.set_hash(Some(value));
                    Ok(())
                }
                _ => panic!("a URL has no {attribute}"),
            };
            for (name, expected) in case["expected"].as_object().expect("expectations are an object") {
                assert_eq!(part(&url, name), *expected, "{name} of {href:?} after {attribute} = {value:?}");
            }
        }
    }
    assert!(count > 250, "only {count} cases");
}

#[test]
fn wpt_domains() {
    let tables = [
        include_str!("../../../../tests/wpt/data/toascii.json"),
        include_str!("../../../../tests/wpt/data/IdnaTestV2.json"),
    ];
    let mut count = 0;
    for text in tables {
        let table = table(text);
        for case in objects(&table) {
            let input = case["input"].as_str().expect("an input is text");
            // An empty host is not a question of domains: the URL would be another one.
            if input.is_empty() {
                continue;
            }
            count += 1;
            let found = Url::parse(format!("https://{input}/x"), None).ok();
            assert_eq!(found.as_ref().map(Url::host), case["output"].as_str(), "{input:?}");
        }
    }
    assert!(count > 2500, "only {count} cases");
}
