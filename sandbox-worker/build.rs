//! Lists the built-in scripts in the order of `js/ORDER`, so that they are named in one place.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let js = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("js");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    println!("cargo::rerun-if-changed=js");
    let mut table = String::from("&[\n");
    for name in fs::read_to_string(js.join("ORDER"))?.split_whitespace() {
        let text =
            fs::read_to_string(js.join(name)).map_err(|error| format!("js/{name}, listed in js/ORDER: {error}"))?;
        let path = out.join(name);
        fs::write(&path, to_ascii(&text))?;
        writeln!(
            table,
            "    (\"bulkhead:{name}\", {{ static SOURCE: v8::OneByteConst = \
             v8::String::create_external_onebyte_const(include_bytes!({path:?})); &SOURCE }}),"
        )?;
    }
    table.push_str("]\n");
    fs::write(out.join("scripts.rs"), table)?;
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
