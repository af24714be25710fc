//! Joins the built-in scripts in the order of `js/ORDER`, so that they are named in one place, into one: an isolate compiles
//! one script in less time than many.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

/// What is around the scripts: it calls them in their order, and adds what each exports to what the next ones find. They are
/// in no function: V8 would look at them twice.
const BEFORE: &str = "((scripts) => (internal) => {\nfor (const name in scripts) {\nconst exports = scripts[name](internal);\n\
                      for (const key in exports) internal[key] = exports[key];\n}\n})({ __proto__: null,\n";
const AFTER: &str = "})\n";

fn main() -> Result<(), Box<dyn Error>> {
    let js = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("js");
    let out = env::var("OUT_DIR")?;
    println!("cargo::rerun-if-changed=js");
    let mut joined = String::from(BEFORE);
    for name in fs::read_to_string(js.join("ORDER"))?.split_whitespace() {
        let text =
            fs::read_to_string(js.join(name)).map_err(|error| format!("js/{name}, listed in js/ORDER: {error}"))?;
        // The key names the function in the stack of what goes wrong in it.
        writeln!(joined, "\"{name}\":\n{},", to_ascii(text.trim_end()))?;
    }
    joined.push_str(AFTER);
    fs::write(Path::new(&out).join("scripts.js"), joined)?;
    Ok(())
}

/// V8 uses the text in place, as a one-byte string: what is not ASCII becomes an escape, which means the same in
/// strings, templates, regular expressions and names.
fn to_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}
