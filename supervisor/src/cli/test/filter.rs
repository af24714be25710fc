//! Which tests and benchmarks are run: names with `*`, `?` and `[a-z]`.

use bulkhead_ipc::bench::Bench;

/// Which tests of which constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The constant that holds the configuration.
    pub(crate) const_name: Option<String>,
    service: Glob,
    entrypoint: Glob,
}

impl Default for Filter {
    fn default() -> Self {
        Self { const_name: None, service: Glob(vec![Part::Any]), entrypoint: Glob(vec![Part::Any]) }
    }
}

impl Filter {
    /// Reads `service`, `service:entrypoint` or `const:service:entrypoint`.
    ///
    /// # Errors
    /// In the reference's words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let glob = |text: &str| Glob::parse(text).map_err(|error| format!("test filter \"{text}\": {error}"));
        Ok(match parts[..] {
            [service] => Self { service: glob(service)?, ..Self::default() },
            [service, entrypoint] => Self { const_name: None, service: glob(service)?, entrypoint: glob(entrypoint)? },
            [constant, service, entrypoint] => {
                Self { const_name: Some(constant.to_owned()), service: glob(service)?, entrypoint: glob(entrypoint)? }
            }
            _ => return Err("Too many colons.".to_owned()),
        })
    }

    /// Whether tests of this service are asked for.
    pub(super) fn has_service(&self, name: &str) -> bool {
        self.service.matches(name)
    }

    /// Whether the test of this export is asked for; the name of the default one is empty, and `default` in filters.
    pub(super) fn has_entrypoint(&self, name: &str) -> bool {
        self.entrypoint.matches(if name.is_empty() { "default" } else { name })
    }
}

/// Which benchmarks of which constant, and which of their cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BenchFilter {
    /// Which services and entrypoints.
    pub(crate) tests: Filter,
    /// Which cases; `None` for all.
    cases: Option<String>,
}

impl BenchFilter {
    /// Reads a filter for tests, maybe with a `/` and a pattern for the names of cases.
    ///
    /// # Errors
    /// As [`Filter::parse`].
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (tests, cases) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self { tests: Filter::parse(tests)?, cases: (!cases.is_empty()).then(|| cases.to_owned()) })
    }

    /// What a worker is asked for.
    pub(super) fn bench(filter: Option<&Self>, quick: bool) -> Bench {
        let filter = filter.and_then(|filter| filter.cases.clone());
        Bench { quick, pattern: filter.as_deref().map_or_else(String::new, expression), filter }
    }
}

/// A pattern for the names of cases as a regular expression of JavaScript, with its flags `u` and `s`. As in the reference it is one for
/// paths: `*` and `?` stand for no `/`, and names are matched from their beginning or after any `/`.
fn expression(pattern: &str) -> String {
    let mut expression = String::from(if pattern.starts_with('/') { "^" } else { "^(?:.*/)?" });
    for c in pattern.chars() {
        match c {
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            c => expression.push_str(&format!("\\u{{{:x}}}", c as u32)),
        }
    }
    expression.push('$');
    expression
}

/// A pattern for a whole name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `*`: any characters, or none.
    Any,
    /// `?`: one character.
    One,
    /// `[…]`, or `[!…]` for one that is not there.
    Class(bool, Vec<(char, char)>),
    Literal(char),
}

impl Glob {
    fn parse(text: &str) -> Result<Self, String> {
        let chars: Vec<char> = text.chars().collect();
        let (mut parts, mut at) = (Vec::new(), 0);
        while let Some(&c) = chars.get(at) {
            at += 1;
            match c {
                '*' if parts.last() == Some(&Part::Any) => {}
                '*' => parts.push(Part::Any),
                '?' => parts.push(Part::One),
                '[' => {
                    let begin = at - 1;
                    let negated = chars.get(at) == Some(&'!');
                    at += usize::from(negated);
                    // A bracket that comes first is one of the characters.
                    let close = chars.iter().skip(at + 1).position(|&c| c == ']').map(|length| at + 1 + length);
                    let close = close
                        .ok_or_else(|| format!("Pattern syntax error near position {begin}: invalid range pattern"))?;
                    let (mut ranges, mut inside) = (Vec::new(), &chars[at..close]);
                    while let [first, rest @ ..] = inside {
                        match rest {
                            ['-', last, rest @ ..] => {
                                ranges.push((*first, *last));
                                inside = rest;
                            }
                            _ => {
                                ranges.push((*first, *first));
                                inside = rest;
                            }
                        }
                    }
                    parts.push(Part::Class(!negated, ranges));
                    at = close + 1;
                }
                c => parts.push(Part::Literal(c)),
            }
        }
        Ok(Self(parts))
    }

    /// In time that is proportional to the lengths of both: only the last `*` is ever gone back to.
    fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut part, mut at) = (0, 0);
        let mut last_any = None;
        while at < name.len() {
            let fits = match self.0.get(part) {
                Some(Part::Any) => {
                    last_any = Some((part, at));
                    part += 1;
                    continue;
                }
                Some(Part::One) => true,
                Some(Part::Literal(c)) => *c == name[at],
                Some(Part::Class(wanted, ranges)) => {
                    ranges.iter().any(|&(first, last)| (first..=last).contains(&name[at])) == *wanted
                }
                None => false,
            };
            if fits {
                (part, at) = (part + 1, at + 1);
            } else if let Some((any, taken)) = &mut last_any {
                *taken += 1;
                (part, at) = (*any + 1, *taken);
            } else {
                return false;
            }
        }
        self.0[part..].iter().all(|part| *part == Part::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of the tests that a filter asks for.
    fn asked(filter: &str) -> Vec<&'static str> {
        let filter = Filter::parse(filter).expect(filter);
        let tests = [("one", ""), ("one", "aa"), ("one", "bb"), ("one", "C"), ("two", "a"), ("onetwo", "")];
        let asked = tests.into_iter().filter(|(s, e)| filter.has_service(s) && filter.has_entrypoint(e));
        asked.map(|(service, entrypoint)| if entrypoint.is_empty() { service } else { entrypoint }).collect()
    }

    #[test]
    fn cases_are_asked_for_by_an_expression() {
        let filter = BenchFilter::parse("s:e/a*/?.").expect("a filter");
        assert_eq!(filter.tests, Filter::parse("s:e").expect("a filter"));
        let bench = BenchFilter::bench(Some(&filter), true);
        assert_eq!(bench.filter.as_deref(), Some("a*/?."));
        assert_eq!(bench.pattern, "^(?:.*/)?\\u{61}[^/]*\\u{2f}[^/]\\u{2e}$");
        assert!(expression("/a").starts_with("^\\u{2f}"));
        for all in [None, Some("s"), Some("s/")] {
            let filter = all.map(|text| BenchFilter::parse(text).expect("a filter"));
            let bench = BenchFilter::bench(filter.as_ref(), false);
            assert_eq!(bench, Bench { quick: false, filter: None, pattern: String::new() });
        }
    }

    #[test]
    fn filters_mean_what_they_mean_to_the_reference() {
        for (filter, expected) in [
            ("one", &["one", "aa", "bb", "C"][..]),
            ("one:default", &["one"]),
            ("one:", &[]),
            (":aa", &[]),
            ("", &[]),
            ("one*:*", &["one", "aa", "bb", "C", "onetwo"]),
            ("one:b?", &["bb"]),
            ("one:??", &["aa", "bb"]),
            ("x:one:aa", &["aa"]),
            ("one:[ab]a", &["aa"]),
            ("one:[]a]a", &["aa"]),
            ("one:[!a]*", &["one", "bb", "C"]),
            ("one:[^a]*", &["aa"]),
            ("one:[a-b]*", &["aa", "bb"]),
            ("one:[A-Z]", &["C"]),
            ("one:{aa,bb}", &[]),
            ("one:a\\a", &[]),
            ("*:default", &["one", "onetwo"]),
            ("**", &["one", "aa", "bb", "C", "a", "onetwo"]),
            ("*o", &["a", "onetwo"]),
            ("*n*t*o", &["onetwo"]),
            ("ONE", &[]),
        ] {
            assert_eq!(asked(filter), expected, "{filter}");
        }
        assert_eq!(Filter::parse("c:s:e").expect("a filter").const_name.as_deref(), Some("c"));
        assert_eq!(Filter::parse("a:b:c:d"), Err("Too many colons.".into()));
        let error = Filter::parse("one:[").expect_err("no filter");
        assert_eq!(error, "test filter \"[\": Pattern syntax error near position 0: invalid range pattern");
    }
}
