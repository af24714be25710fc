//! The table as a page for people.

use std::fmt::Write;

use super::{Action, Ceiling, Condition, LIMITS, Named, Profile, RIGHTS, ROWS, Row, Test, Width};
use crate::names::Arch;

fn list(names: &[Named], separator: &str) -> String {
    names.iter().map(|n| format!("`{}`", n.name)).collect::<Vec<_>>().join(separator)
}

fn describe(condition: &Condition) -> String {
    let Condition { arg, what, width, test } = condition;
    let subject = format!("arg {arg} `{what}` ({})", if *width == Width::Int { "32 bit" } else { "64 bit" });
    match test {
        Test::OneOf([only]) => format!("{subject} is `{}`", only.name),
        Test::OneOf(names) => format!("{subject} is one of {}", list(names, ", ")),
        Test::Bits { required: [], optional } => format!("{subject} has no bit but {}", list(optional, ", ")),
        Test::Bits { required, optional: [] } => format!("{subject} is exactly {}", list(required, " with ")),
        Test::Bits { required, optional } => {
            format!("{subject} is {}, and no bit but {}", list(required, " with "), list(optional, ", "))
        }
        Test::OwnPid => format!("{subject} is our own process"),
    }
}

/// The table as a Markdown document: what `docs/security/policy.md` must contain.
pub fn document() -> String {
    let mut out = String::from(
        "# What a worker may ask of the kernel\n\n\
         <!-- Made from policy/src/table/ by `BULKHEAD_REFRESH=1 cargo test -p bulkhead-policy --lib policy_document`. \
         Do not edit. -->\n\n\
         Every system call that is not in these tables ends the process: the call is not made, one line with its number, \
         name and arguments goes to the supervisor's log, and the exit status is `SIGSYS`. The same happens to an \
         allowed call whose arguments are not as the rule says. Calls of the 32-bit and x32 ABIs end the process. \
         `uretprobe` and `uprobe` (x86_64 335 and 336) are out of reach of any filter: the kernel exempts its own trampolines, \
         and answers SIGILL or an error to anybody else.\n\n\
         Numbers are those of x86_64 / aarch64; `–` means that the architecture does not have the call.\n",
    );
    out.push_str(
        "\nThere are four profiles. `stateless` is a worker without storage; `actor` has a database in a directory that was \
         handed to it; the `-jitless` variants compile nothing, so that no memory becomes executable. A profile has the rows \
         of the first section and those of each later section that names it. No actor process is started yet: durable \
         objects do not exist.\n",
    );
    let mut sections: Vec<&[Profile]> = vec![&Profile::ALL];
    for row in ROWS {
        if !sections.contains(&row.profiles) {
            sections.push(row.profiles);
        }
    }
    for section in sections {
        if section == Profile::ALL {
            out.push_str("\n## Every profile\n");
        } else {
            let names: Vec<_> = section.iter().map(|profile| format!("`{}`", profile.name())).collect();
            let _ = write!(out, "\n## Also {}\n", names.join(", "));
        }
        for (title, kind) in [("Allowed", 0), ("Fails with an error", 1), ("Kills at once", 2)] {
            let selected: Vec<_> = ROWS
                .iter()
                .filter(|row| row.profiles == section)
                .filter(|row| match row.action {
                    Action::Allow => kind == 0,
                    Action::Errno(_) => kind == 1,
                    Action::Kill => kind == 2,
                })
                .collect();
            if !selected.is_empty() {
                let _ = write!(out, "\n### {title}\n\n{}", rows_as_text(&selected));
            }
        }
    }
    out.push_str(
        "\n## Landlock\n\nEvery right that the kernel's landlock knows is handled, so that it is refused everywhere unless it is \
         granted here, and then only beneath the directory that the worker was handed.\n\n\
         | right | stateless | actor | why |\n|---|---|---|---|\n",
    );
    for row in RIGHTS {
        let word = |profile| if row.granted.contains(&profile) { "its directory" } else { "–" };
        let (stateless, actor) = (word(Profile::Stateless), word(Profile::Actor));
        let _ = writeln!(out, "| `{}` | {stateless} | {actor} | {} |", row.name, row.reason);
    }
    out.push_str(
        "\n## Resource limits\n\nSoft and hard limit alike, in every profile.\n\n| limit | value | why |\n|---|---|---|\n",
    );
    for row in LIMITS {
        let value = match row.ceiling {
            Ceiling::Of(value) => value.to_string(),
            Ceiling::Descriptors => "3, those handed over, and 32".into(),
            Ceiling::Threads => "the policy's `threads`".into(),
            Ceiling::FileBytes => "0; in `actor` the quota of a file".into(),
            Ceiling::Data => "the policy's `memory` above what is mapped when it is sealed".into(),
            Ceiling::AddressSpace => "64 GiB above what is mapped when it is sealed".into(),
        };
        let _ = writeln!(out, "| `RLIMIT_{}` | {value} | {} |", row.name, row.reason);
    }
    out
}

fn rows_as_text(rows: &[&Row]) -> String {
    let mut out = String::from("| system calls | numbers | rule | action | for | why |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let number = |arch: Arch, name: &str| arch.number(name).map_or("–".into(), |n| n.to_string());
        let calls = row.calls.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let numbers = row
            .calls
            .iter()
            .map(|name| format!("{} / {}", number(Arch::X86_64, name), number(Arch::Aarch64, name)))
            .collect::<Vec<_>>()
            .join(", ");
        let rule = if row.when.is_empty() {
            "any arguments".into()
        } else {
            row.when.iter().map(describe).collect::<Vec<_>>().join("; ")
        };
        let action = match row.action {
            Action::Allow => "allow",
            Action::Errno(errno) => errno.name(),
            Action::Kill => "kill",
        };
        let _ =
            writeln!(out, "| {calls} | {numbers} | {rule} | {action} | {} | {} |", row.component.name(), row.reason);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security/policy.md");
        if std::env::var_os("BULKHEAD_REFRESH").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap_or_default() == document(),
            "docs/security/policy.md is stale: run `BULKHEAD_REFRESH=1 cargo test -p bulkhead-policy --lib policy_document` and review the diff"
        );
    }
}
