//! What is said at the start about services that go out.

use bulkhead_test_support::{
    Exit, Runtime,
    expectations::{Observation, check},
    supervisor,
};

use super::origin::setup;

/// The sentence of the reference that the standard error has.
fn sentence(exit: &Exit, sentences: &[&str]) -> String {
    let found = sentences.iter().find(|sentence| exit.stderr.contains(**sentence));
    format!("{:?} {}", exit.code, found.copied().unwrap_or(exit.stderr.as_str()))
}

const SENTENCES: &[&str] = &[
    "invalid CIDR: 1.2.3.4/33",
    "invalid CIDR: foo",
    "don't deny 'public', allow 'private' instead",
    "don't deny 'network', allow 'local' instead",
    "service s: External service \"s\" has no address in the config, so must be specified on the command line with \
     `--external-addr`.",
    "Config did not define any external service named \"t\" to match the override provided on the command line.",
    "Config did not define any external service named \"s\" to match the override provided on the command line.",
    "Expected <name>=<value>",
];

#[test]
fn what_is_wrong_is_said_in_the_words_of_the_reference() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("range", "network = (allow = [\"1.2.3.4/33\"])", &[]),
        ("word", "network = (allow = [\"public\", \"foo\"])", &[]),
        ("denied word", "network = (deny = [\"foo\"])", &[]),
        ("denied public", "network = (deny = [\"public\"])", &[]),
        ("denied network", "network = (deny = [\"network\"])", &[]),
        ("no address", "external = (http = ())", &[]),
        ("other override", "external = (address = \"127.0.0.1:9\", http = ())", &["--external-addr=t=127.0.0.1:9"]),
        ("override of a network", "network = ()", &["-e", "s=127.0.0.1:9"]),
        ("override without an address", "external = (http = ())", &["-e", "s"]),
    ];
    let observations: Vec<Observation> = cases
        .iter()
        .map(|(name, service, arguments)| {
            let of = |runtime: &Runtime| {
                let setup = arguments.iter().fold(setup("", service), |setup, argument| setup.argument(*argument));
                sentence(&runtime.serve_to_exit(setup), SENTENCES)
            };
            let (reference, ours) = (of(&Runtime::workerd()), of(&supervisor!()));
            assert!(SENTENCES.iter().any(|sentence| reference.contains(sentence)), "{name}: {reference}");
            Observation { key: format!("outgoing start/{name}"), reference, ours }
        })
        .collect();
    check("outgoing start", &observations);
}

#[test]
fn addresses_that_are_none_are_named_before_anybody_is_served() {
    for (address, expected) in [
        ("*:80", "cannot connect() to a wildcard address"),
        ("127.0.0.1:99999", "`99999` is not a port"),
        ("[::1:80", "is not an IPv6 address in brackets"),
        ("unix:", "there is no path or name behind `unix:`"),
        ("", "there is no host in it"),
    ] {
        let exit = supervisor!().serve_to_exit(setup("", &format!("external = (address = \"{address}\", http = ())")));
        assert_eq!(exit.code, Some(1));
        assert!(exit.stderr.contains(&format!("service s: the address `{address}`: ")), "{address}: {}", exit.stderr);
        assert!(exit.stderr.contains(expected), "{address}: {}", exit.stderr);
    }
}
