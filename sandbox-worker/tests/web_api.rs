//! `URL`, encoding, `crypto`, `performance`, `structuredClone` and generated code against what the reference answers.
//!
//! `data/web-api.json` holds function bodies and the text that the reference gave for each (`throws …` for exceptions),
//! recorded at compatibility date 2026-08-01. `DIFFERENCES` lists where this runtime means to answer otherwise.

use std::fmt::Write as _;

use bulkhead_sandbox_worker::testing::eval;

/// Function bodies with our own answer, and why it is not the reference's.
const DIFFERENCES: &[(&str, &str)] = &[
    // The glue puts the members of iterables last.
    (
        "return Object.getOwnPropertyNames(URLSearchParams.prototype).join()",
        "size,append,delete,get,getAll,has,set,sort,toString,entries,keys,values,forEach,constructor",
    ),
    (
        "let n=''; for (const k in new URLSearchParams('a')) n+=k+','; return n",
        "size,append,delete,get,getAll,has,set,sort,toString,entries,keys,values,forEach,",
    ),
    // V8's own text for accessors without a setter.
    (
        "const u=new URL('http://a/b?c#d'); u.origin='http://x'; return u.origin",
        "throws TypeError: Cannot set property origin of [object URL] which has only a getter",
    ),
    (
        "const u=new URL('http://a/b?c#d'); u.searchParams='q=1'; return u.href",
        "throws TypeError: Cannot set property searchParams of [object URL] which has only a getter",
    ),
    (
        "const p=new URLSearchParams('a=1&a=2'); p.size=9; return p.size",
        "throws TypeError: Cannot set property size of [object URLSearchParams] which has only a getter",
    ),
    // Web IDL: one function object under both names.
    ("return URLSearchParams.prototype.entries===URLSearchParams.prototype[Symbol.iterator]", "true"),
    // Web IDL: null is an empty dictionary. The reference's text shows a mangled C++ name.
    ("return new TextDecoder('utf-8',null).fatal", "false"),
    ("return new TextDecoder().decode(new Uint8Array([0x61]),null)", "a"),
    // The same text, where null is read as the name "null".
    (
        "return crypto.subtle.digest(null,new Uint8Array(1))",
        "throws NotSupportedError: Unrecognized or unimplemented digest algorithm requested.",
    ),
    // A class made by a script: order of members, and V8's text for a call without `new`.
    (
        "return typeof crypto.DigestStream + Object.getOwnPropertyNames(crypto.DigestStream.prototype)",
        "functionconstructor,digest,bytesWritten",
    ),
    (
        "return crypto.DigestStream('MD5')",
        "throws TypeError: Class constructor DigestStream cannot be invoked without 'new'",
    ),
    // Web IDL: attributes of DOMException are accessors of its prototype.
    (
        "const e=structuredClone(new DOMException('m','AbortError')); return Object.getOwnPropertyNames(e).join()+typeof e.stack",
        "stackstring",
    ),
    // The stack stays hidden from enumeration, as on the original.
    (
        "const e=structuredClone(new (class Foo extends TypeError{})('q')); return e.constructor.name+e.name+(e instanceof TypeError)+Object.keys(e)",
        "TypeErrorTypeErrortrue",
    ),
    // HTML: a view is not transferable.
    ("return structuredClone(1,{transfer:[new Uint8Array(1)]})", "throws TypeError: Object is not transferable"),
];

#[test]
fn as_the_reference() {
    let table: Vec<(String, String)> =
        serde_json::from_str(include_str!("data/web-api.json")).expect("the table is a list of pairs of texts");
    assert!(table.len() > 300);
    let mut script = String::from(
        "(async () => { 'use strict'; const out = []; const run = async (f) => { let r; \
         try { r = String(await f()) } catch (e) { try { r = 'throws ' + e } catch { r = 'throws ?' } } out.push(r) };\n",
    );
    for (body, _) in &table {
        writeln!(script, "await run(async () => {{{body}\n}});").expect("a string takes everything");
    }
    script.push_str("return out; })()");
    let answers = eval(&script);
    let answers: Vec<String> = serde_json::from_str(&answers).unwrap_or_else(|_| panic!("not a list: {answers}"));
    assert_eq!(answers.len(), table.len());
    for (body, _) in DIFFERENCES {
        assert!(table.iter().any(|(other, _)| other == body), "no case is {body}");
    }
    let mut wrong = String::new();
    for ((body, expected), found) in table.iter().zip(&answers) {
        let own = DIFFERENCES.iter().find(|(other, _)| other == body).map(|(_, own)| *own);
        let expected = own.unwrap_or(expected);
        if found != expected {
            write!(wrong, "\n{body}\n  expected {expected:?}\n  found    {found:?}")
                .expect("a string takes everything");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
