//! What can be written on the command line.

use std::{net::SocketAddr, os::fd::RawFd, path::PathBuf};

use bulkhead_ipc::process::MAX_SHARDS;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::test::{BenchFilter, Filter};

/// Runs Workers-style JavaScript and WebAssembly, every isolate in a sandboxed process of its own
#[derive(Debug, Parser)]
#[command(name = "supervisor", version, disable_help_subcommand = true)]
pub(super) struct Cli {
    /// Log informational messages to standard error
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve requests as a configuration says
    Serve(Box<ServeArgs>),
    /// Make one file of this program and a configuration, which serves it
    Compile(Box<CompileArgs>),
    /// Run the tests of the workers of a configuration
    Test(Box<TestArgs>),
    /// Run the benchmarks of the workers of a configuration
    Bench(Box<BenchArgs>),
    /// Say which layers of the sandbox this machine gives
    CheckSandbox(CheckSandboxArgs),
}

/// The command line of a program that contains a configuration.
#[derive(Debug, Parser)]
#[command(
    name = "supervisor",
    version,
    about = "Serve requests as the configuration says that this program contains",
    after_help = "This program contains a configuration, and the policy for its workers if there is one."
)]
pub(super) struct CompiledCli {
    /// Log informational messages to standard error
    #[arg(short, long)]
    pub(super) verbose: bool,

    #[command(flatten)]
    pub(super) options: ServeOptions,
}

#[derive(Debug, Args)]
pub(super) struct CheckSandboxArgs {
    /// Print JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// What is done on a machine that cannot shut a worker in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SandboxMode {
    /// Refuse to serve without seccomp and landlock
    Required,
    /// Serve with the layers that this machine has, and say which are missing
    BestEffort,
}

/// What becomes of a system call that the policy does not permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SeccompMode {
    /// End the process
    Kill,
    /// Make the call and log it, to find what the policy lacks: this protects nothing
    Log,
}

/// Where the colours that workers set in their output pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorMode {
    /// To a stream that is a terminal
    Auto,
    /// To both streams
    Always,
    /// Nowhere: they are made visible, as other control characters are
    Never,
}

/// Where a configuration comes from.
#[derive(Debug, Clone, Args)]
pub(super) struct SourceArgs {
    /// A configuration in Cap'n Proto text, or with --binary an encoded one (`-`: standard input)
    #[arg(value_name = "config-file")]
    pub(super) config: PathBuf,

    /// Look in <dir> for imports that start with `/`; can be given several times
    #[arg(short = 'I', long, value_name = "dir")]
    pub(super) import_path: Vec<PathBuf>,

    /// The configuration is an encoded Cap'n Proto message, not text
    #[arg(short, long)]
    pub(super) binary: bool,
}

/// Where the policy comes from that holds for workers.
#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    /// Take what workers may use from the constant of type `Policy` in <file>, whatever the configuration says
    #[arg(long, value_name = "file")]
    pub(super) policy: Option<PathBuf>,

    /// The constant that holds the policy, if the file given with --policy, or else the configuration, has several
    #[arg(long, value_name = "name")]
    pub(super) policy_const: Option<String>,
}

/// What `serve`, `test` and programs that contain a configuration have in common.
#[derive(Debug, Args)]
pub(super) struct CommonArgs {
    #[command(flatten)]
    pub(super) policy: PolicyArgs,

    /// Let the socket <name> listen on <addr>, whatever the configuration says
    #[arg(short, long, value_name = "name>=<addr", value_parser = parse_override)]
    pub(super) socket_addr: Vec<(String, String)>,

    /// Let the external service <name> be at <addr>, whatever the configuration says
    #[arg(short, long, value_name = "name>=<addr", value_parser = parse_override)]
    pub(super) external_addr: Vec<(String, String)>,

    /// Load the configuration anew when one of its files changes: the file itself, its imports and its embeds
    #[arg(short, long)]
    pub(super) watch: bool,

    /// Permit features that may change in a later release
    #[arg(long)]
    pub(super) experimental: bool,

    /// What to do on a machine that lacks seccomp or landlock
    #[arg(long, value_enum, value_name = "mode", default_value = "required")]
    pub(super) sandbox: SandboxMode,

    /// What becomes of a worker's system call that the policy does not permit
    #[arg(long, value_enum, value_name = "mode", default_value = "kill")]
    pub(super) seccomp: SeccompMode,

    /// When the colours that workers set in their output pass; other control characters never do
    #[arg(long, value_enum, value_name = "when", default_value = "auto")]
    pub(super) color: ColorMode,

    /// Ask <addr>, with its port, for names instead of the servers of /etc/resolv.conf; can be given several times
    #[arg(long, value_name = "addr")]
    pub(super) dns_server: Vec<SocketAddr>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Signals: SIGTERM and SIGINT stop accepting connections and finish the requests in flight; a second one ends at once.
Exit codes: 0 after a shutdown that was asked for, 1 for an error.

Example:
  supervisor serve samples/hello/config.capnp --socket-addr http=127.0.0.1:8080")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,

    /// The constant in the file that holds the configuration, if there are several
    #[arg(value_name = "const-name")]
    pub(super) const_name: Option<String>,

    #[command(flatten)]
    pub(super) options: ServeOptions,
}

/// How a configuration is served.
#[derive(Debug, Args)]
pub(super) struct ServeOptions {
    #[command(flatten)]
    pub(super) common: CommonArgs,

    /// Let the socket <name> use the open, listening descriptor <fd>
    #[arg(short = 'S', long, value_name = "name>=<fd", value_parser = parse_fd_override)]
    pub(super) socket_fd: Vec<(String, RawFd)>,

    /// Write a line of JSON to the descriptor <fd> for each socket that listens: its name and its port
    #[arg(long, value_name = "fd", value_parser = parse_control_fd)]
    pub(super) control_fd: Option<RawFd>,

    /// Serve with <n> threads, each with its own connections to the workers [default: half of the processors]
    #[arg(long, value_name = "n", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SHARDS)))]
    pub(super) shards: Option<u32>,

    /// Start every worker before listening, and end with an error if one does not start
    #[arg(long)]
    pub(super) strict_start: bool,

    /// Have the disk service <name> serve the directory <path>, whatever the configuration says
    #[arg(short, long, value_name = "name>=<path", value_parser = parse_override)]
    pub(super) directory_path: Vec<(String, String)>,

    #[command(flatten)]
    pub(super) missing: MissingArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The result goes to standard output, and needs no other file to run. Its options are those of `serve`.

Example:
  supervisor compile samples/hello/config.capnp > hello && ./hello --socket-addr http=127.0.0.1:8080")]
pub(super) struct CompileArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,

    /// The constant in the file that holds the configuration, if there are several
    #[arg(value_name = "const-name")]
    pub(super) const_name: Option<String>,

    #[command(flatten)]
    pub(super) policy: PolicyArgs,

    /// Write only the encoded configuration, which `serve --binary` reads
    #[arg(long)]
    pub(super) config_only: bool,
}

/// How the results of tests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TestFormat {
    /// The reference's lines, to standard error
    Text,
    /// Beside them a JSON object for each test to standard output, where nothing else is written then
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A test is an export with a method `test(controller, env, ctx)`. It fails if that throws, or what it gives to `waitUntil` does, if it
cannot come to an end, exceeds a limit, or its process ends. Exit codes: 0 if at least one test has run and all have passed, else 1.

Examples:
  supervisor test tests.wd-test
  supervisor test tests.wd-test 'api:*Cache*' --jobs 2 --junit report.xml")]
pub(super) struct TestArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,

    /// Which tests: `service`, `service:entrypoint` or `const:service:entrypoint`, with `*`, `?` and `[a-z]` in the names
    #[arg(value_name = "filter", value_parser = Filter::parse)]
    pub(super) filter: Option<Filter>,

    #[command(flatten)]
    pub(super) common: CommonArgs,

    /// Have the disk service <name> serve the directory <path>; TEST_TMPDIR need not exist
    #[arg(short, long, value_name = "name>=<path", value_parser = parse_override)]
    pub(super) directory_path: Vec<(String, String)>,

    /// Do not say why tests failed
    #[arg(long)]
    pub(super) no_verbose: bool,

    /// Have Math.random() give the same in each run, and scripts have gc(); the clock and crypto are as always
    #[arg(long)]
    pub(super) predictable: bool,

    /// Collect all garbage each time that a test goes on after it waited: slow, and finds what is not held
    #[arg(long)]
    pub(super) gc_stress: bool,

    /// Enable every autogate. There are none here, so that this changes nothing
    #[arg(long)]
    pub(super) all_autogates: bool,

    /// The compatibility date of all workers, none of which has its own then: 2000-01-01 to 2999-12-31, or 0000-00-00 for
    /// the oldest and 9999-12-31 for the newest
    #[arg(long, value_name = "date")]
    pub(super) compat_date: Option<String>,

    /// Test <n> services at a time; lines of their workers begin with their names then
    #[arg(long, value_name = "n", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) jobs: u32,

    /// Write a report in JUnit's format to <file>
    #[arg(long, value_name = "file")]
    pub(super) junit: Option<PathBuf>,

    /// How results are written
    #[arg(long, value_enum, value_name = "format", default_value = "text")]
    pub(super) format: TestFormat,

    /// Run services, and the tests of each, in an order that follows from <seed>
    #[arg(long, value_name = "seed")]
    pub(super) shuffle: Option<u64>,

    #[command(flatten)]
    pub(super) missing: MissingArgs,
}

/// How the results of benchmarks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BenchFormat {
    /// A table for people
    Text,
    /// All that was measured, each sample too
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A benchmark is an export with a method `bench(b, env, ctx)`, which registers cases; each is timed after it has returned:
  export default {
    bench(b) {
      const encoder = new TextEncoder();
      b.run('encode', () => b.blackBox(encoder.encode('hello')));
      b.run('fetch', async () => { await env.SERVICE.fetch('http://x/'); }, { minTime: '2s', samples: 20 });
    }
  }
Options of a case: minTime, warmup, samples, batch, setup, teardown, skip. Exit codes: 0 if there was a benchmark and none has failed,
else 1. How long workers take to start is not timed yet: it is as if --no-startup were given.")]
pub(super) struct BenchArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,

    #[command(flatten)]
    pub(super) common: CommonArgs,

    /// Which benchmarks: as for `test`, and maybe a `/` and a pattern for the names of cases
    #[arg(value_name = "filter", value_parser = BenchFilter::parse)]
    pub(super) filter: Option<BenchFilter>,

    /// Have the disk service <name> serve the directory <path>; TEST_TMPDIR need not exist
    #[arg(short, long, value_name = "name>=<path", value_parser = parse_override)]
    pub(super) directory_path: Vec<(String, String)>,

    /// Do not say why benchmarks failed
    #[arg(long)]
    pub(super) no_verbose: bool,

    /// Enable every autogate. There are none here, so that this changes nothing
    #[arg(long)]
    pub(super) all_autogates: bool,

    /// The compatibility date of all workers, none of which has its own then: as for `test`, or `latest`
    #[arg(long, value_name = "date")]
    pub(super) compat_date: Option<String>,

    /// Take less time: to see that benchmarks run, not to measure
    #[arg(long)]
    pub(super) quick: bool,

    /// How results are written
    #[arg(long, value_enum, value_name = "format", default_value = "text")]
    pub(super) format: BenchFormat,

    /// Write the results to <path> instead of standard output
    #[arg(long, value_name = "path")]
    pub(super) output: Option<PathBuf>,

    /// Not supported yet: run tail workers
    #[arg(long)]
    pub(super) trace: bool,

    /// Do not time how long workers take to start, which is not done yet in any case
    #[arg(long)]
    pub(super) no_startup: bool,

    #[command(flatten)]
    pub(super) missing: MissingArgs,
}

/// Options of the reference that are understood and refused, so that the refusal can name them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of the reference that are not supported yet")]
pub(super) struct MissingArgs {
    /// Listen for the Chrome DevTools
    #[arg(short, long, value_name = "addr")]
    inspector_addr: Option<String>,
    /// Listen for privileged debugging connections
    #[arg(long, value_name = "addr")]
    debug_port: Option<String>,
    /// Write a Perfetto trace
    #[arg(short, long, value_name = "path>=<categories")]
    perfetto_trace: Option<String>,
    #[arg(long, hide = true)]
    async_trace: Option<String>,
    #[arg(long, hide = true)]
    async_trace_stacks: Option<String>,
    #[arg(long, hide = true)]
    async_trace_promises: bool,
    #[arg(long, hide = true)]
    pyodide_package_disk_cache_dir: Option<String>,
    #[arg(long, hide = true)]
    pyodide_bundle_disk_cache_dir: Option<String>,
    #[arg(long, hide = true)]
    python_save_snapshot: bool,
    #[arg(long, hide = true)]
    python_save_baseline_snapshot: bool,
    #[arg(long, hide = true)]
    python_load_snapshot: Option<String>,
    #[arg(long, hide = true)]
    python_snapshot_dir: Option<String>,
    #[arg(long, hide = true)]
    cluster_addr: Option<String>,
    #[arg(long, hide = true)]
    cluster_advertise: Option<String>,
}

impl MissingArgs {
    /// Those that were given, as they are written.
    pub(super) fn given(&self) -> Vec<&'static str> {
        [
            ("--inspector-addr", self.inspector_addr.is_some()),
            ("--debug-port", self.debug_port.is_some()),
            ("--perfetto-trace", self.perfetto_trace.is_some()),
            ("--async-trace", self.async_trace.is_some()),
            ("--async-trace-stacks", self.async_trace_stacks.is_some()),
            ("--async-trace-promises", self.async_trace_promises),
            ("--pyodide-package-disk-cache-dir", self.pyodide_package_disk_cache_dir.is_some()),
            ("--pyodide-bundle-disk-cache-dir", self.pyodide_bundle_disk_cache_dir.is_some()),
            ("--python-save-snapshot", self.python_save_snapshot),
            ("--python-save-baseline-snapshot", self.python_save_baseline_snapshot),
            ("--python-load-snapshot", self.python_load_snapshot.is_some()),
            ("--python-snapshot-dir", self.python_snapshot_dir.is_some()),
            ("--cluster-addr", self.cluster_addr.is_some()),
            ("--cluster-advertise", self.cluster_advertise.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

fn parse_override(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("Expected <name>=<value>")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_fd(text: &str) -> Option<RawFd> {
    // A leading plus sign would pass `i32::from_str`.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn parse_fd_override(text: &str) -> Result<(String, RawFd), String> {
    let (name, value) = parse_override(text)?;
    let fd = parse_fd(&value).ok_or("Socket value must be a file descriptor (non-negative integer).")?;
    Ok((name, fd))
}

fn parse_control_fd(text: &str) -> Result<RawFd, String> {
    parse_fd(text).ok_or_else(|| "Output value must be a file descriptor (non-negative integer).".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(arguments: &[&str]) -> (ServeArgs, bool) {
        let all = ["supervisor", "serve"].iter().chain(arguments);
        let cli = Cli::try_parse_from(all).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        match cli.command {
            Command::Serve(arguments) => (*arguments, cli.verbose),
            other => panic!("{other:?}"),
        }
    }

    fn error(arguments: &[&str]) -> String {
        Cli::try_parse_from(["supervisor"].iter().chain(arguments)).unwrap_err().to_string()
    }

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
        CompiledCli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_and_after_the_positionals_in_every_spelling() {
        for arguments in [
            &["-v", "--binary", "--socket-addr=a=1.2.3.4:5", "--control-fd=3", "-S", "b=4", "c.capnp", "name"][..],
            &["c.capnp", "name", "-b", "-sa=1.2.3.4:5", "--control-fd", "3", "--socket-fd=b=4", "--verbose"],
            &["c.capnp", "-b", "--verbose", "name", "-s", "a=1.2.3.4:5", "-Sb=4", "--control-fd=3"],
        ] {
            let (serve, verbose) = serve(arguments);
            assert_eq!(serve.source.config, PathBuf::from("c.capnp"));
            assert_eq!(serve.const_name.as_deref(), Some("name"));
            assert_eq!(serve.options.common.socket_addr, [("a".to_owned(), "1.2.3.4:5".to_owned())]);
            assert_eq!(serve.options.socket_fd, [("b".to_owned(), 4)]);
            assert_eq!((serve.source.binary, verbose, serve.options.control_fd), (true, true, Some(3)));
        }
    }

    #[test]
    fn what_development_tools_write_is_understood() {
        let (serve, _) = serve(&[
            "--binary",
            "--experimental",
            "--socket-addr=entry=127.0.0.1:0",
            "--external-addr=loopback=127.0.0.1:1",
            "--control-fd=3",
            "-",
            "--inspector-addr=localhost:0",
        ]);
        assert_eq!(serve.source.config, PathBuf::from("-"));
        assert_eq!(serve.options.common.external_addr, [("loopback".to_owned(), "127.0.0.1:1".to_owned())]);
        assert_eq!(serve.options.missing.given(), ["--inspector-addr"]);
    }

    #[test]
    fn a_policy_is_a_file_and_a_name() {
        let (serve, _) = serve(&["c.capnp", "--policy=p.capnp", "--policy-const", "strict", "-pa=b"]);
        assert_eq!(serve.options.common.policy.policy, Some(PathBuf::from("p.capnp")));
        assert_eq!(serve.options.common.policy.policy_const.as_deref(), Some("strict"));
        assert_eq!((serve.const_name, serve.options.missing.given()), (None, vec!["--perfetto-trace"]));
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, expected) in [
            (&["serve"][..], "<config-file>"),
            (&["serve", "a", "b", "c"], "unexpected argument 'c'"),
            (&["bogus"], "unrecognized subcommand 'bogus'"),
            (&["serve", "a", "--bogus"], "unexpected argument '--bogus'"),
            (&["serve", "a", "-s", "x"], "Expected <name>=<value>"),
            (&["serve", "a", "-e", "x"], "Expected <name>=<value>"),
            (&["serve", "a", "--dns-server=localhost"], "--dns-server"),
            (&["serve", "a", "-S", "x=y"], "must be a file descriptor (non-negative integer)"),
            (&["serve", "a", "-S", "x=+3"], "must be a file descriptor (non-negative integer)"),
            (&["serve", "a", "--control-fd=-1"], "must be a file descriptor (non-negative integer)"),
            (&["serve", "a", "--control-fd=99999999999"], "must be a file descriptor (non-negative integer)"),
            (&["serve", "a", "--sandbox=none"], "required, best-effort"),
            (&["serve", "a", "--seccomp=off"], "kill, log"),
            (&["serve", "a", "--color=yes"], "auto, always, never"),
            (&["serve", "a", "--shards=0"], "--shards"),
            (&["serve", "a", "--shards=65"], "1..=64"),
        ] {
            let error = error(arguments);
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn every_missing_option_is_refused_by_its_own_name() {
        for option in [
            "-i",
            "-p",
            "--inspector-addr",
            "--debug-port",
            "--perfetto-trace",
            "--async-trace",
            "--async-trace-stacks",
            "--python-load-snapshot",
            "--python-snapshot-dir",
            "--pyodide-package-disk-cache-dir",
            "--pyodide-bundle-disk-cache-dir",
            "--cluster-addr",
            "--cluster-advertise",
        ] {
            let (serve, _) = serve(&["c", option, "x=y"]);
            let given = serve.options.missing.given();
            assert_eq!(given.len(), 1, "{option}");
            assert!(!option.starts_with("--") || given == [option], "{option}: {given:?}");
        }
        for option in ["--async-trace-promises", "--python-save-snapshot", "--python-save-baseline-snapshot"] {
            assert_eq!(serve(&["c", option]).0.options.missing.given().len(), 1, "{option}");
        }
    }
}
