//! `supervisor check-sandbox`: what this machine can enforce, layer by layer.

use std::process::ExitCode;

use bulkhead_policy::{
    cgroup::Delegation,
    check,
    report::{Report, Status},
};

use super::setup;

/// Runs the self-test with the `sandbox-worker` beside this executable and prints the result, as text or as JSON.
///
/// The exit code is 0 when workers can run with `--sandbox=required`, 1 when they cannot, 2 when there is no result.
pub fn run(json: bool) -> ExitCode {
    let worker = match setup::worker_beside() {
        Ok(worker) => worker.into(),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match check::run(&worker, Delegation::take().as_ref().map_err(ToString::to_string)) {
        Ok(report) => {
            if json {
                println!("{:#}", to_json(&report));
            } else {
                print!("{}", check::to_text(&report));
            }
            if check::sufficient(&report) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("supervisor: check-sandbox: {error}");
            ExitCode::from(2)
        }
    }
}

/// `{"sufficient": bool, "layers": [{"layer", "status", "required", "detail"?, "howToGet"?}]}`.
fn to_json(report: &Report) -> serde_json::Value {
    let layers: Vec<_> = report
        .iter()
        .map(|(layer, status)| {
            let mut entry = serde_json::json!({
                "layer": layer.name(),
                "status": status.word(),
                "required": layer.required(),
            });
            if *status != Status::Enforced {
                entry["detail"] = status.detail().into();
                entry["howToGet"] = layer.how_to_get().into();
            }
            entry
        })
        .collect();
    serde_json::json!({ "sufficient": check::sufficient(report), "layers": layers })
}

#[cfg(test)]
mod tests {
    use bulkhead_policy::report::Layer;

    use super::*;

    #[test]
    fn json_says_why_and_how() {
        let mut report = Report::default();
        report.set(Layer::Landlock, Status::Missing("not enabled".into()));
        report.set(Layer::Seccomp, Status::Enforced);
        let json = to_json(&report);
        assert_eq!(json["sufficient"], false);
        assert_eq!(json["layers"][0]["detail"], "not enabled");
        assert!(json["layers"][0]["howToGet"].as_str().unwrap().contains("landlock"));
        assert_eq!(json["layers"][1]["status"], "enforced");
        assert_eq!(json["layers"][1].get("detail"), None);
    }
}
