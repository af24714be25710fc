@0xb1c7d3f6a2e84c95;
using Policy = import "/policy.capnp";
# The wire between the supervisor and one worker process.
#
# Every worker process has one control connection, owned by the supervisor's fleet, and one event connection for each
# supervisor shard. On each the worker process is the server of a bootstrap capability; the supervisor offers nothing
# but the capabilities that it passes as parameters. No message carries a name that the supervisor looks up.
#
# Data moves by being asked for: whoever wants bytes pulls them and says how many it takes (`ByteSource`), so that
# neither side can be made to hold more than it asked for.

interface WorkerControl {
  # Bootstrap capability of the control connection.

  bind @0 (bundle :WorkerBundle, host :Host) -> (outcome :BindOutcome);
  # Turns the blank process into the worker that the bundle describes: compiles the modules and evaluates them. At most
  # once in the life of a process; a second call is an error.

  drain @1 () -> ();
  # Returns as soon as no event is active: every response was sent and every `waitUntil` promise has settled.

  ping @2 () -> ();
  # Returns at once. A process that does not answer does not listen any more, whatever keeps it.
}

interface Host {
  # What the supervisor offers to a bound worker process. Its identity is the connection.

  log @0 (entries :List(LogEntry)) -> ();
  # The worker keeps at most one call open, so the supervisor sets the pace by when it returns.

  exceeded @1 (limit :Limit) -> ();
  # The tenant's code exceeded a limit that the worker process watches over itself, once for each time. What comes of it is
  # the supervisor's to decide: it counts, and retires the process where the limit says so. At most one call is open.
}

enum Limit {
  # The limits of one worker that end an event. What each is, and what it is by default, is in `docs/limits.md`.

  cpuTime @0;
  # Processor time of one event.
  wallTime @1;
  # Time from the start of an event to the end of its response.
  waitUntil @2;
  # Time from the end of the response to the end of what was given to `waitUntil`.
  startUp @3;
  # Processor time for compiling and evaluating the modules.
  memory @4;
  # The JavaScript heap. The process is retired: it takes no further event.
  responseHead @5;
  # Bytes or number of the response's headers.
  responseBody @6;
  # Bytes of the response's body.
}

struct LogEntry {
  level @0 :Level;
  message @1 :Text;
  source @2 :Source;

  enum Level {
    debug @0;
    info @1;
    warn @2;
    error @3;
    log @4;
  }

  enum Source {
    console @0;
    # Tenant output: `console.*`.
    runtime @1;
    # The runtime's word about the tenant's code: an uncaught exception with its stack, an unhandled rejection.
  }
}

interface EventPort {
  # Bootstrap capability of an event connection.

  entrypoint @0 (name :Text, propsJson :Blob) -> (dispatcher :EventDispatcher);
  # The handler table of one exported entrypoint; an empty name is the default one. Waits until `bind` has ended.

  open @1 (channels :List(Channel)) -> ();
  # What the worker may start by this connection, as it may by every other: a binding in `env` is a position in this list.
  # Called once, before any event. First comes what the global `fetch()` goes to, then what the bundle's bindings go to in their
  # order, then the worker's own entrypoints in the order of `BindOutcome.ready`.
}

interface Channel {
  # Something that a worker may send requests to. It was handed over, and says itself what it leads to: no call carries a name.

  fetch @0 (request :HttpRequest, call :UInt64, event :UInt64, props :Data) -> (outcome :SubrequestOutcome);
  # `call` is a number of the caller's choice by which it can cancel, and which no other call to any channel of the connection has
  # while it is open. `event` is the number of the event of this connection on whose behalf the request is made: what that may still
  # start, and how deep it is, is for the supervisor to know. `props`, of one of the worker's own entrypoints alone: see there; at most
  # 64 KiB (`head.rs`).

  cancel @1 (call :UInt64) -> ();
  # Nobody waits for the answer any more: the call is to be answered now, whatever with. A call that was answered, or that never
  # was, is no error. See `EventDispatcher.cancel` for why.
}

struct SubrequestOutcome {
  union {
    response @0 :HttpResponse;
    failure @1 :Thrown;
    # What the script that asked is to get thrown.
  }
}

struct Thrown {
  # An exception, as far as another worker is told of it.

  name @0 :Text;
  # The name of its class, where that is one of the language's own. Empty: `Error`.
  message @1 :Text;
  remote @2 :Bool;
  # Whether another worker's script has thrown it.
  dom @3 :Bool;
  # It is a `DOMException` of this name.
  retryable @4 :Bool;
  overloaded @5 :Bool;
  # Whether its properties of these names are true.
  properties @6 :Text;
  # JSON of an object with its own properties; empty for none. For the caller's isolate, which reads it; at most 8 KiB.
  cause @7 :Thrown;
  # The error that is its `cause`, if one is; at most four deep.
}

interface EventDispatcher {
  # One method per kind of event.

  fetch @0 (request :HttpRequest, event :UInt64, props :Data) -> (outcome :FetchOutcome);
  # `event` is a number of the caller's choice by which it can cancel, and by which the worker says what it calls a `Channel` for.
  # `props`: what `ctx.props` is in the place of what the entrypoint was asked for with, as a process of this worker has written it; the
  # supervisor does not look into it.

  cancel @1 (event :UInt64) -> ();
  # Nobody waits for the event any more: its call is to be answered now, whatever with. An event that was answered, or that
  # never was, is no error. Calls are cancelled by this and not by being dropped: a call that is dropped before its answer
  # keeps its number in `capnp-rpc` for as long as the connection lives.

  scheduled @2 (event :UInt64, scheduledTime :Float64, cron :Text) -> (outcome :ScheduledOutcome);
  # Answered when the handler and what it gave to `waitUntil` have come to their end. `scheduledTime`, milliseconds since
  # the Unix epoch, is a time that a `Date` can hold; `cron`, at most 1024 bytes, is what the handler is told of why it runs
  # and is not looked at. Both bounds are in `scheduled.rs`.

  test @3 (event :UInt64, bench :Bench) -> (outcome :ScheduledOutcome, report :Text);
  # Runs the handler for tests. Answered when it and what it gave to `waitUntil` have come to their end, and what they logged has been
  # taken by `Host.log`. Nobody tries again: `noRetry` says nothing.
  # With `bench` it is the handler for benchmarks, and `report` says in JSON how long its cases took; the bound is in `bench.rs`.
}

struct Bench {
  # Which cases, and how; the rest of it is in `bench.rs`.

  quick @0 :Bool;
  filter @1 :Text;
  pattern @2 :Text;
}

struct FetchOutcome {
  union {
    response @0 :HttpResponse;
    failure @1 :EventFailure;
  }
}

struct ScheduledOutcome {
  noRetry @0 :Bool;
  # Whether the handler called `controller.noRetry()`: also one that failed after that.

  union {
    done @1 :Void;
    failure @2 :EventFailure;
    # What the handler, or what it gave to `waitUntil`, failed with first.
  }
}

struct EventFailure {
  kind @0 :Kind;
  message @1 :Text;
  # What was thrown, with its stack in further lines. For the supervisor's log only; never sent to a client.
  limit @2 :Limit;
  # Of kind `exceeded`: which.
  thrown @3 :Thrown;
  # Of kind `exception`: what was thrown, for another worker that called this one.
  rest @4 :RequestRest;
  # Of kinds `passThrough` and `unanswered`: what is left of the request's body.

  enum Kind {
    exception @0;
    # The handler threw or its promise was rejected: the client gets the reference's 500.
    noHandler @1;
    # The entrypoint exports no handler for this kind of event.
    hung @2;
    # The handler can never produce a response: its promise is pending and nothing is left that could settle it.
    passThrough @3;
    # As `exception` or `hung`, after `ctx.passThroughOnException()`: the request is for what the global `fetch()` goes to.
    exceeded @4;
    # The event was ended because it exceeded `limit`.
    busy @5;
    # Nothing was run: as many events live in the process as it takes, those included of which only `waitUntil` is left.
    unanswered @6;
    # No listener of a service worker answered: the request is for what the global `fetch()` goes to, as if there was no worker.
  }
}

struct RequestRest {
  # What is left of a request's body that the worker had.

  union {
    had :group {
      read @0 :UInt64;
      # How many of its bytes were read by script.
      unread @1 :Data;
      # The bytes after those, as far as they were pulled. Those of a body that came in the call are not repeated.
      ended @2 :Bool;
      # Whether the reader was told that there are no more.
    }
    handedOn @3 :Void;
    # The worker gave the capability back, for another to pull: whoever has the body knows what is left of it.
  }
}

struct Header {
  name @0 :Text;
  # As received or as the script wrote it; ASCII.
  value @1 :Data;
}

struct HttpRequest {
  method @0 :Text;
  url @1 :Text;
  # Absolute.
  headers @2 :List(Header);
  cfJson @3 :Text;
  # JSON for `request.cf`; empty for none.
  body :union {
    none @4 :Void;
    bytes @5 :Data;
    stream @6 :ByteSource;
  }
  bodyLength @7 :UInt64 = 0xffffffffffffffff;
  # Length of a streamed body in bytes where it is known; all ones where it is not.
  upgrade @8 :Bool;
  # Whether it asks for another protocol in place of HTTP, which its one header `Upgrade` names; `head.rs` has those that there are. The
  # body is a stream then: of the bytes that go this way once the response has status 101. With any other response there are none.
  connect @9 :Connect;
  # It asks for a connection and nothing else: `method` is `CONNECT`, `url` the address, which is `host:port` where a script has given it,
  # and `upgrade` is set, without a header.
}

struct Connect {
  # What is said of a connection that is asked for.

  transport @0 :Transport;
  remoteAddress @1 :Text;
  # The address of whoever connects, where a socket knows it. For the worker that takes the connection.

  enum Transport {
    plain @0;
    tls @1;
    # Inside of TLS from its beginning.
    startTls @2;
    # As it is, until somebody says so: `ByteSource.startTls`.
  }
}

struct HttpResponse {
  status @0 :UInt16;
  # 200 to 599, or 101 where the request asked for an upgrade: then the body is a stream, of the bytes that go this way in place of HTTP.
  # The two bodies end each for itself, as the two directions of a connection do; one that breaks breaks both.
  statusText @1 :Text;
  # Empty: the standard reason phrase.
  headers @2 :List(Header);
  body :union {
    none @3 :Void;
    bytes @4 :Data;
    stream @5 :ByteSource;
    request @7 :Void;
    # The very bytes that the request had, of which there were at least 4096 in the call (`head.rs`).
  }
  bodyLength @6 :UInt64 = 0xffffffffffffffff;
  # As in `HttpRequest`. Where it is not given, the client is not told the length of a body of `bytes`, or of the request's,
  # either.
}

interface ByteSource {
  # Half of a body, at the side that has the bytes. Dropping the capability before `done` cancels the stream.

  pull @0 (maxBytes :UInt32, back :Data)
    -> (bytes :Data, done :Bool, rest :ByteSource, meanwhile :ByteSource, had :UInt64, before :UInt64, taken :Bool);
  # Waits for at least one byte or the end; returns at most `maxBytes`. `done` may come with the last bytes. At most one
  # call may be open. A call that fails says that the stream broke, or (`source.rs`) that the response was sent before
  # anybody had begun to read a request's body.
  #
  # `rest` only of the body of a request to a `Channel` that asks for an upgrade, once, and in place of bytes: everything is pulled from
  # there. Whose bytes go to the other side may not be known when the request is sent.
  #
  # `meanwhile` only of what is sent by a connection, in place of bytes: until the next pull is answered, what comes by another connection,
  # or by the same, goes here by itself, with this its source. It does so if nothing of it is on its way to the worker: its pulls have
  # brought `had` bytes. A pull of it that is open meanwhile waits for its end, or for `recall`.
  #
  # `back` only of what comes by a connection that an event was answered with, while a pull of what is sent by it is open: bytes that are sent
  # before the answer to that, which is still to come, and then says how many have come so (`before`). No more than it asks for, and than
  # `source.rs` says; once for each such pull, and again whenever an answer says that what there was is `taken`.

  cancel @1 () -> ();
  # Cancels the stream while a `pull` is open, which is answered at once. See `EventDispatcher.cancel` for why.

  closed @2 () -> (end :BodyEnd);
  # Of a request's body: waits until nothing more can be pulled, and says what became of it. For who has handed the source
  # on, and does not pull. At most one call may be open.

  startTls @3 (host :Text, to :ByteSource) -> (from :ByteSource, refused :Bool);
  # Has a connection go on inside of TLS, of which this is what comes from the other end. Once, and only of one that was asked for as
  # `startTls`; any other refuses. To be called before what goes to the other end has come to its end, which is then the end of what is
  # sent as it is; `to` is what is sent after it. The answer comes after the handshake, and `from` has what the other end then sends.
  # `host` is whose certificate a server has to show, if that is not who was connected to; at most 255 bytes. A call that fails says that
  # the connection is gone.

  recall @4 () -> ();
  # Of what comes by a connection: it goes nowhere by itself any more. Pulls have what comes next.
}

enum BodyEnd {
  drained @0;
  # All of it was pulled.
  broken @1;
  # It broke off; what came before was pulled.
  cancelled @2;
  # Whoever pulled wants no more.
}

struct Blob {
  # Bytes, or a text in UTF-8, that may be long: what is longer than 256 KiB does not fit into a message and is pulled. So
  # does what is shorter, where many are in one message (`blob.rs`).

  union {
    bytes @0 :Data;
    stream @1 :ByteSource;
  }
  length @2 :UInt64;
  # Of a stream, in bytes.
}

struct WorkerBundle {
  service @0 :Text;
  # For stack traces and log lines.
  compatibilityDate @1 :Text;
  compatibilityFlags @2 :List(Text);
  experimental @3 :Bool;
  # Whether the operator allows experimental features.
  source :union {
    modules @4 :List(Module);
    # The first one is the main module.
    serviceWorkerScript @5 :Blob;
  }
  bindings @6 :List(Binding);
  limits @7 :Policy.Limits;
  # All of them are set. What the process is started with is in its arguments too.
  inlineBodyBytes @8 :UInt32;
  # A response body that is complete and at most this long travels in the reply.
  extensions @9 :List(ExtensionModule);
  # What modules can import beside each other, in the file that all workers share (`process.rs`); none for a worker that imports nothing
  # of it.
  hasCache @10 :Bool;
  # Whether something stands behind the Cache API.
  actorClasses @11 :List(ActorClass);
  # The exports that are to be classes of Durable Objects, with a namespace each.
  testing :group {
    # How the worker is run by its tests; nothing of it when it serves.
    runningClock @12 :Bool;
    # Whether the clock runs while script does, as in the reference.
    gcStress @13 :Bool;
    # Whether all garbage is collected each time that an event goes on.
  }
}

struct ActorClass {
  name @0 :Text;
  ephemeral @1 :Bool;
  # Whether its objects have no storage, and names for ids.
}

struct ExtensionModule {
  name @0 :Text;
  # As the configuration has it: what it means depends on the worker's registry of modules.
  internal @1 :Bool;
  # Only modules of extensions can import it.
  offset @2 :UInt64;
  length @3 :UInt64;
  # Where in the file its text is, in bytes.
}

struct Module {
  name @0 :Text;
  union {
    esModule @1 :Blob;
    commonJsModule @2 :Blob;
    text @3 :Blob;
    data @4 :Blob;
    wasm @5 :Blob;
    json @6 :Blob;
    python @8 :Void;
    # Is there, and does not run: its worker does not start.
  }
  namedExports @7 :List(Text);
  # Of a CommonJS module.
}

struct ModuleQuestion {
  # What a process whose worker has a module fallback asks for when an import means no module: see `modules.rs`.

  specifier @0 :Text;
  # What it means: a path that begins with `/`, or a name with a scheme; in the second registry of modules a URL.
  rawSpecifier @1 :Text;
  # As it is written.
  referrer @2 :Text;
  # The module that imports, as `specifier` is written.
  required @3 :Bool;
  # Whether by `require()`.
  type @4 :Text;
  # The attribute `type` of the import, if it has one: in the second registry.
}

struct ModuleAnswer {
  union {
    missing @0 :Void;
    redirect @1 :Text;
    # It is the module of this specifier.
    module @2 :Module;
    # Its content is `bytes`; its name is empty where the server gives none.
  }
}

struct Binding {
  name @0 :Text;
  union {
    text @1 :Blob;
    data @2 :Blob;
    json @3 :Blob;
    wasmModule @4 :Blob;
    # Service-worker syntax only.
    service @5 :Void;
    # What it goes to is handed over with the other channels: `EventPort.open`.
    actorNamespace :group {
      # Of Durable Objects, which cannot be reached yet.
      ephemeral @6 :Bool;
    }
    null @7 :Void;
    wrapped :group {
      # What an export of an internal module makes of other bindings.
      moduleName @8 :Text;
      entrypoint @9 :Text;
      innerBindings @10 :List(Binding);
      # What they go to is handed over in the place of this one.
    }
    unsafeEval @11 :Void;
    memoryCache @12 :Void;
    analyticsEngine @13 :Text;
    # The name of the dataset.
    hyperdrive :group {
      # As the configuration has them.
      database @14 :Text;
      user @15 :Text;
      password @16 :Text;
      scheme @17 :Text;
    }
    notYet @18 :NotYet;
    # Of a kind that cannot be used yet: each use says so.
  }
}

enum NotYet {
  kvNamespace @0;
  r2Bucket @1;
  queue @2;
  durableObjectClass @3;
  workerLoader @4;
  debugPort @5;
  cryptoKey @6;
}

struct BindOutcome {
  union {
    ready @0 :List(Entrypoint);
    error @1 :StartupError;
  }
}

struct Entrypoint {
  name @0 :Text;
  # Empty for the default export.
  handlers @1 :List(Text);
}

struct StartupError {
  message @0 :Text;
  # One line, in the reference's words where it has some: `Uncaught SyntaxError: …`.
  stack @1 :Text;
}
