//! Negotiation of compression, beside the examples of RFC 7692, section 7.1.3.

use bulkhead_websocket::extension::{Deflate, NotOffered, accept, agreed};

/// Offers, the server's own terms, and what it answers.
#[rustfmt::skip]
const ACCEPTED: &[(&str, Option<&str>, Option<&str>)] = &[
    ("permessage-deflate", None, Some("permessage-deflate")),
    (" permessage-deflate ; server_no_context_takeover", None, Some("permessage-deflate; server_no_context_takeover")),
    ("permessage-deflate; client_max_window_bits", None, Some("permessage-deflate; client_max_window_bits=15")),
    ("permessage-deflate; client_max_window_bits=10", None, Some("permessage-deflate; client_max_window_bits=10")),
    ("permessage-deflate; server_max_window_bits=10", None, Some("permessage-deflate; server_max_window_bits=10")),
    ("permessage-deflate; server_max_window_bits=\"10\"", None, Some("permessage-deflate; server_max_window_bits=10")),
    ("permessage-deflate; client_no_context_takeover;server_no_context_takeover", None, Some("permessage-deflate; client_no_context_takeover; server_no_context_takeover")),
    ("permessage-deflate; server_max_window_bits=8", None, Some("permessage-deflate; server_max_window_bits=8")),
    ("permessage-deflate; server_max_window_bits=10, permessage-deflate", None, Some("permessage-deflate; server_max_window_bits=10")),
    ("permessage-deflate; server_max_window_bits", None, None),
    ("permessage-deflate; server_max_window_bits=7", None, None),
    ("permessage-deflate; server_max_window_bits=16", None, None),
    ("permessage-deflate; server_max_window_bits=010", None, None),
    ("permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", None, None),
    ("permessage-deflate; client_max_window_bits=", None, None),
    ("permessage-deflate; client_max_window_bits=1000", None, None),
    ("permessage-deflate; server_no_context_takeover=1", None, None),
    ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None, None),
    ("permessage-deflate; unknown", None, None),
    ("permessage-deflate; unknown=\"a, permessage-deflate\"", None, None),
    ("permessage-deflate; unknown, permessage-deflate", None, Some("permessage-deflate")),
    ("x-webkit-deflate-frame, permessage-deflate; client_no_context_takeover", None, Some("permessage-deflate; client_no_context_takeover")),
    ("permessage-deflated", None, None),
    ("", None, None),
    (",,;", None, None),
    // The server's own terms.
    ("permessage-deflate", Some(""), None),
    ("permessage-deflate", Some("other"), None),
    ("permessage-deflate", Some("permessage-deflate; client_no_context_takeover"), Some("permessage-deflate; client_no_context_takeover")),
    ("permessage-deflate", Some("permessage-deflate; server_no_context_takeover"), Some("permessage-deflate; server_no_context_takeover")),
    ("permessage-deflate", Some("permessage-deflate; server_max_window_bits=12"), Some("permessage-deflate; server_max_window_bits=12")),
    ("permessage-deflate; server_max_window_bits=10", Some("permessage-deflate; server_max_window_bits=12"), Some("permessage-deflate; server_max_window_bits=10")),
    ("permessage-deflate", Some("permessage-deflate; client_max_window_bits=12"), None),
    ("permessage-deflate; client_max_window_bits", Some("permessage-deflate; client_max_window_bits=12"), Some("permessage-deflate; client_max_window_bits=12")),
    ("permessage-deflate; client_max_window_bits=9", Some("permessage-deflate; client_max_window_bits=12"), Some("permessage-deflate; client_max_window_bits=9")),
    ("permessage-deflate", Some("permessage-deflate; unknown"), None),
];

#[test]
fn offers_are_accepted() {
    for (offers, terms, expected) in ACCEPTED {
        let answer = accept(offers, *terms).map(|(_, answer)| answer);
        assert_eq!(answer.as_deref(), *expected, "{offers:?} on {terms:?}");
    }
}

#[test]
fn what_is_agreed_on_is_what_the_answer_says() {
    let offers = "permessage-deflate; client_max_window_bits; server_max_window_bits=9; client_no_context_takeover";
    let (deflate, _) = accept(offers, None).expect("an offer");
    let expected = Deflate { client_no_context_takeover: true, server_max_window_bits: 9, ..Deflate::default() };
    assert_eq!(deflate, expected);
}

#[test]
fn answers_are_checked() {
    let plain = Deflate::default();
    let no_server = Deflate { server_no_context_takeover: true, ..plain };
    let none = Ok(None);
    for (offers, answer, expected) in [
        ("permessage-deflate", "", none),
        ("", "", none),
        ("permessage-deflate", "permessage-deflate", Ok(Some(plain))),
        ("permessage-deflate", "permessage-deflate; server_no_context_takeover", Ok(Some(no_server))),
        (
            "permessage-deflate",
            "permessage-deflate; client_no_context_takeover",
            Ok(Some(Deflate { client_no_context_takeover: true, ..plain })),
        ),
        (
            "permessage-deflate",
            "permessage-deflate; server_max_window_bits=9",
            Ok(Some(Deflate { server_max_window_bits: 9, ..plain })),
        ),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=8",
            Ok(Some(Deflate { client_max_window_bits: 8, ..plain })),
        ),
        (
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate",
            Ok(Some(Deflate { client_max_window_bits: 9, ..plain })),
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate",
            Ok(Some(Deflate { client_no_context_takeover: true, ..plain })),
        ),
        ("permessage-deflate; server_max_window_bits=9, permessage-deflate", "permessage-deflate", Ok(Some(plain))),
        ("", "permessage-deflate", Err(NotOffered)),
        ("permessage-deflate", "other", Err(NotOffered)),
        ("permessage-deflate", "permessage-deflate, permessage-deflate", Err(NotOffered)),
        ("permessage-deflate", "permessage-deflate; unknown", Err(NotOffered)),
        ("permessage-deflate", "permessage-deflate; client_max_window_bits=9", Err(NotOffered)),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits", Err(NotOffered)),
        (
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=10",
            Err(NotOffered),
        ),
        ("permessage-deflate; server_max_window_bits=9", "permessage-deflate", Err(NotOffered)),
        (
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=10",
            Err(NotOffered),
        ),
        ("permessage-deflate; server_no_context_takeover", "permessage-deflate", Err(NotOffered)),
    ] {
        assert_eq!(agreed(offers, answer), expected, "{answer:?} to {offers:?}");
    }
}
