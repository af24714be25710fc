//! Prepares the scripts of `js/` for the program, which has them as text that V8 uses in place.
//!
//! - The built-in scripts, named in `js/ORDER`, are joined into one: an isolate compiles one script in less time than many.
//! - The built-in modules are found below the directories of [`SCHEMES`], or made of the table in `js/stand_ins.txt`, which says how,
//!   and become a table sorted by specifier. As many empty ones
//!   as [`EMPTY`] says are added, for the test of what modules cost that nobody imports (`tests/start.rs` of the whole).

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// What is around the scripts: it calls them in their order, and adds what each exports to what the next ones find. They are
/// in no function: V8 would look at them twice.
const BEFORE: &str = "((scripts) => (internal) => {\nfor (const name in scripts) {\nconst exports = scripts[name](internal);\n\
                      for (const key in exports) internal[key] = exports[key];\n}\n})({ __proto__: null,\n";
const AFTER: &str = "})\n";

/// The directories of `js/` with modules in them. `js/node/path/posix.js` is `node:path/posix`.
const SCHEMES: [&str; 4] = ["cloudflare", "internal", "node", "node-internal"];

/// The variable of the environment that says how many empty modules are added. Only built-in modules can import them.
const EMPTY: &str = "BULKHEAD_EMPTY_MODULES";

fn main() -> Result<(), Box<dyn Error>> {
    let js = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("js");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=js");
    let mut joined = String::from(BEFORE);
    for name in fs::read_to_string(js.join("ORDER"))?.split_whitespace() {
        let text =
            fs::read_to_string(js.join(name)).map_err(|error| format!("js/{name}, listed in js/ORDER: {error}"))?;
        // The key names the function in the stack of what goes wrong in it.
        writeln!(joined, "\"{name}\":\n{},", to_ascii(text.trim_end()))?;
    }
    joined.push_str(AFTER);
    println!("cargo::rustc-env=SCRIPTS_HASH={:016x}", hash(&joined));
    fs::write(out.join("scripts.js"), joined)?;
    modules(&js, &out)
}

/// Writes the modules' texts, one after the other, and a table of where each is. The table has offsets and no pointers:
/// pointers would be relocated when the program starts, in every process, however few modules its worker imports.
fn modules(js: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut found = Vec::new();
    for scheme in SCHEMES {
        let directory = js.join(scheme);
        if directory.is_dir() {
            let mut scripts = Vec::new();
            scripts_below(&directory, &mut scripts)?;
            for path in scripts {
                let relative = path.strip_prefix(&directory)?.with_extension("");
                found.push((format!("{scheme}:{}", relative.to_string_lossy()), fs::read_to_string(&path)?));
            }
        }
    }
    found.extend(stand_ins(&fs::read_to_string(js.join("stand_ins.txt"))?));
    println!("cargo::rerun-if-env-changed={EMPTY}");
    let empty = env::var(EMPTY).map_or(Ok(0), |count| count.parse())?;
    found.extend((0..empty).map(|number| (format!("internal:empty_{number}"), String::new())));
    found.sort();
    let (mut names, mut texts, mut rows) = (String::new(), String::new(), String::new());
    for (specifier, script) in &found {
        let (name, text) = (names.len(), texts.len());
        names.push_str(specifier);
        let script = to_ascii(script);
        texts.push_str(&script);
        let (hash, name_end, text_end) = (hash(&script), names.len(), texts.len());
        writeln!(rows, "    Place {{ name: ({name}, {name_end}), text: ({text}, {text_end}), hash: {hash:#x} }},")?;
    }
    let table = format!(
        "const COUNT: usize = {};\nconst NAMES: &str = {names:?};\nstatic TEXTS: [u8; {}] = \
         *include_bytes!(concat!(env!(\"OUT_DIR\"), \"/modules.js\"));\nstatic PLACES: [Place; COUNT] = [\n{rows}];\n",
        found.len(),
        texts.len()
    );
    fs::write(out.join("modules.js"), texts)?;
    fs::write(out.join("modules.rs"), table)?;
    Ok(())
}

/// The specifiers and the texts of the modules in the table of those that are there in part.
fn stand_ins(table: &str) -> Vec<(String, String)> {
    let mut modules: Vec<(String, Vec<String>)> = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.starts_with("    "), line.strip_prefix("  "), modules.last_mut()) {
            (_, None, _) => modules.push((line.to_owned(), Vec::new())),
            (true, _, Some((_, lines))) => *lines.last_mut().expect("a line to go on with") += line.trim_start(),
            (false, Some(line), Some((_, lines))) => lines.push(line.to_owned()),
            (_, _, None) => panic!("js/stand_ins.txt: no module for {line:?}"),
        }
    }
    let texts = modules.into_iter().map(|(specifier, lines)| {
        let text = Exports::default().read(&lines).module(&specifier);
        (specifier, text)
    });
    texts.collect()
}

/// The exports of such a module, as text.
#[derive(Default)]
struct Exports {
    imports: String,
    /// Definitions, and those that use them.
    made: String,
    given: String,
    named: String,
    members: String,
    constants: Option<String>,
    default: Option<String>,
}

impl Exports {
    fn read(mut self, lines: &[String]) -> Self {
        for line in lines {
            if line.starts_with("import ") {
                self.imports += &format!("{line};\n");
            } else if let Some((name, value)) = line.split_once(" = ") {
                self.given(name, value);
                self.export(name, true, true);
            } else {
                line.split_whitespace().for_each(|word| self.word(word));
            }
        }
        self
    }

    fn word(&mut self, word: &str) {
        let mark = word.chars().next().filter(|first| "+-.".contains(*first));
        let rest = if mark.is_some() { &word[1..] } else { word };
        let name = if rest == "constants{" {
            self.constants = Some(String::new());
            return;
        } else if rest == "}" {
            let constants = self.constants.take().expect("constants were begun");
            self.given("constants", &format!("{{ {constants}}}"));
            "constants"
        } else if let Some(class) = rest.strip_prefix("default=") {
            self.default = Some(class.to_owned());
            return;
        } else if let Some((name, value)) = rest.split_once('=') {
            self.given(name, value);
            name
        } else if let Some((name, signature)) = rest.split_once('/') {
            self.stand_in(name, signature)
        } else {
            rest
        };
        if let Some(constants) = &mut self.constants {
            *constants += &format!("{name}, ");
        }
        self.export(name, !matches!(mark, Some('-' | '.')), !matches!(mark, Some('+' | '.')));
    }

    fn given(&mut self, name: &str, value: &str) {
        self.given += &format!("const {name} = {value};\n");
    }

    fn stand_in<'t>(&mut self, name: &'t str, signature: &str) -> &'t str {
        let (kind, name) = name.split_once(':').unwrap_or(("function", name));
        let signature = signature.replace('<', ", ");
        self.made += &format!("const {name} = make.{kind}(\"{name}\", {signature});\n");
        name
    }

    fn export(&mut self, name: &str, is_named: bool, is_member: bool) {
        for (list, is_in) in [(&mut self.named, is_named), (&mut self.members, is_member)] {
            if is_in {
                *list += &format!("{name}, ");
            }
        }
    }

    fn module(self, specifier: &str) -> String {
        let Exports { imports, made, given, named, members, constants: _, default } = self;
        let default = default.map_or(format!("{{ {members}}}"), |class| format!("make.with({class}, {{ {members}}})"));
        format!(
            "import {{ standIns }} from \"internal:stand_ins\";\n{imports}const make = standIns(\"{specifier}\");\n{made}{given}\
             export {{ {named}}};\nexport default {default};\n"
        )
    }
}

fn scripts_below(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            scripts_below(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "js") {
            found.push(path);
        }
    }
    Ok(())
}

/// FNV-1a: tells one text of the scripts from another.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
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
