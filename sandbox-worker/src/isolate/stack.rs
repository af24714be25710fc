//! The `stack` of an error as script sees it: without the frames of our own scripts, which say nothing to those who wrote
//! the worker.

use super::script;

/// What the names of the built-in scripts begin with.
pub(super) const OWN_SCRIPTS: &str = "bulkhead:";

/// What V8 would do itself, at the first look at the `stack` of an error: `Error.prepareStackTrace` of the tenant, if there
/// is one, or else the usual text. Our own frames are in neither.
pub(super) fn prepare<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    error: v8::Local<'s, v8::Value>,
    sites: v8::Local<'s, v8::Array>,
) -> v8::Local<'s, v8::Value> {
    // What is thrown here comes out of the access to `stack`, whatever this gives.
    usual_text(scope, error, sites).unwrap_or_else(|| v8::undefined(scope).into())
}

/// Where script is, as the `stack` of an error has it: at most so many frames, without our own.
pub(super) fn current(scope: &mut v8::PinScope<'_, '_>, frames: usize) -> String {
    let Some(trace) = v8::StackTrace::current_stack_trace(scope, frames) else { return String::new() };
    let mut lines = Vec::new();
    for frame in (0..trace.get_frame_count()).filter_map(|index| trace.get_frame(scope, index)) {
        let text = |text: Option<v8::Local<'_, v8::String>>, scope: &v8::PinScope<'_, '_>| {
            text.map(|text| text.to_rust_string_lossy(scope)).unwrap_or_default()
        };
        let script = text(frame.get_script_name(scope), scope);
        if script.starts_with(OWN_SCRIPTS) {
            continue;
        }
        let place = format!("{script}:{}:{}", frame.get_line_number(), frame.get_column());
        let function = text(frame.get_function_name(scope), scope);
        lines.push(if function.is_empty() {
            format!("    at {place}")
        } else {
            format!("    at {function} ({place})")
        });
    }
    lines.join("\n")
}

fn usual_text<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    error: v8::Local<'s, v8::Value>,
    sites: v8::Local<'s, v8::Array>,
) -> Option<v8::Local<'s, v8::Value>> {
    let constructor = script::function(scope, |script| &script.error_constructor);
    let key = jsg::string(scope, "prepareStackTrace");
    if let Ok(prepare) = v8::Local::<v8::Function>::try_from(constructor.get(scope, key.into())?) {
        let sites = foreign(scope, sites)?;
        return prepare.call(scope, constructor.into(), &[error, sites.into()]);
    }
    // While this runs V8 does not ask again, and makes the text with all frames.
    let getter = script::function(scope, |script| &script.stack_getter);
    let stack = getter.call(scope, error, &[])?;
    let Ok(text) = v8::Local::<v8::String>::try_from(stack) else { return Some(stack) };
    let text = text.to_rust_string_lossy(scope);
    if !text.contains(OWN_SCRIPTS) {
        return Some(stack);
    }
    Some(jsg::string(scope, &without_own_frames(&text)).into())
}

/// The call sites that are not in our own scripts.
fn foreign<'s>(scope: &mut v8::PinScope<'s, '_>, sites: v8::Local<'s, v8::Array>) -> Option<v8::Local<'s, v8::Array>> {
    let name_of = script::function(scope, |script| &script.script_name_of_site);
    let mut foreign = Vec::new();
    for index in 0..sites.length() {
        let site = sites.get_index(scope, index)?;
        let name = name_of.call(scope, site, &[])?;
        if !name.is_string() || !name.to_rust_string_lossy(scope).starts_with(OWN_SCRIPTS) {
            foreign.push(site);
        }
    }
    Some(v8::Array::new_with_elements(scope, &foreign))
}

/// The text of a stack without the frames of our own scripts.
fn without_own_frames(stack: &str) -> String {
    let foreign: Vec<&str> = stack.split('\n').filter(|line| !is_own_frame(line)).collect();
    foreign.join("\n")
}

/// Whether a line is `    at f (bulkhead:file.js:1:2)`, or the same without a function: as V8 writes it, and no other that a
/// message may have.
fn is_own_frame(line: &str) -> bool {
    let Some(frame) = line.strip_prefix("    at ") else { return false };
    let place = match frame.strip_suffix(')') {
        Some(frame) => frame.rsplit_once(" (").map_or("", |(_, place)| place),
        None => frame.rsplit_once(' ').map_or(frame, |(_, place)| place),
    };
    let Some(place) = place.strip_prefix(OWN_SCRIPTS) else { return false };
    let mut numbers = place.rsplitn(3, ':');
    let is_number = |text: Option<&str>| text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    is_number(numbers.next()) && is_number(numbers.next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn own_frames_are_taken_out_of_a_text() {
        let text = "Error: at f (bulkhead:x.js:1:2)\n    at own (bulkhead:x.js:1:2)\n    at bulkhead:x.js:1:2\n    at async \
                    bulkhead:x.js:1:2\n    at a.b [as c] (bulkhead:x.js:1:2)\n    at f (a.js:1:2)\n    at bulkhead: no\n";
        assert_eq!(
            without_own_frames(text),
            "Error: at f (bulkhead:x.js:1:2)\n    at f (a.js:1:2)\n    at bulkhead: no\n"
        );
    }

    #[test]
    fn script_sees_its_own_frames_alone() {
        for thrown in [
            "new Event()",
            "atob('*')",
            "AbortSignal.abort().throwIfAborted()",
            "new Blob(5)",
            "new ReadableStream({ type: 'x' })",
            "new DOMException('m', 'N').code.x.y",
            "(() => { const t = new EventTarget(); let e; t.addEventListener('x', () => { e = new Error(); }); t.dispatchEvent(new Event('x')); throw e; })()",
        ] {
            let source = format!(
                "(() => {{ function caller() {{ {thrown}; }} try {{ caller(); }} catch (error) {{
                return /bulkhead:/.test(error.stack) ? error.stack : /at caller/.test(error.stack); }} }})()"
            );
            check(&source, "true");
        }
    }

    #[test]
    fn prepare_stack_trace_of_the_tenant_gets_the_same_frames() {
        let dispatch = "const t = new EventTarget(); let stack;
            t.addEventListener('x', function listener() { stack = new Error('m').stack; }); t.dispatchEvent(new Event('x'));";
        check(
            &format!(
                "(() => {{ Error.prepareStackTrace = (error, sites) => [error.message, sites.every((site) => !site.getFileName()?.startsWith('bulkhead:')),
                sites[0].getFunctionName()]; {dispatch} delete Error.prepareStackTrace; return stack; }})()"
            ),
            r#"["m",true,"listener"]"#,
        );
        check(
            "(() => { Error.prepareStackTrace = () => { throw new RangeError('own'); }; try { return new Error().stack; }
            catch (error) { return error.message; } finally { delete Error.prepareStackTrace; } })()",
            "own",
        );
        check(
            "(() => { Error.prepareStackTrace = () => typeof new Error().stack; try { return new Error().stack; }
            finally { delete Error.prepareStackTrace; } })()",
            "string",
        );
        check("Object.getOwnPropertyNames(Error).includes('prepareStackTrace')", "false");
        // The text begins as the error was made.
        check(
            "(() => { const e = new Error('made'); e.message = 'changed'; return e.stack.split('\\n')[0]; })()",
            "Error: made",
        );
    }
}
