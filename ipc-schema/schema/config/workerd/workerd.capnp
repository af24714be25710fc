@0xe6afd26682091c01;
# The configuration schema: what a file given to `supervisor serve` may say.
#
# Names, numbers, types and defaults are those of `workerd`, because configurations that other tools write as binary
# messages must load unchanged. The descriptions are ours. Not every field has behaviour behind it yet: a field that has
# none is refused when a configuration sets it; docs/configuration.md lists which those are.

struct Config {
  # Everything one process serves.

  services @0 :List(Service);
  # Things that answer, each under a name of its own. Nothing outside this list can reach one except through a socket or
  # a binding that names it.

  sockets @1 :List(Socket);
  # Where clients come in.

  v8Flags @2 :List(Text);
  # Handed to V8 as they are, such as `--expose-gc`. V8 promises nothing about them from one version to the next.

  extensions @3 :List(Extension);
  # Modules that every worker can import beside its own.

  autogates @4 :List(Text);
  # Names of changes in behaviour that are being rolled out, to switch on.

  structuredLogging @5 :Bool = false;
  # Superseded by `logging`.

  logging @6 :LoggingOptions;

  cluster @7 :ClusterConfig;
}

struct ClusterConfig {
  # Several processes that serve one configuration together.

  bucket @0 :Text;
  bucketOptions @1 :List(Text);
  address @2 :Text;
  advertise @4 :Text;
  key @3 :Text;
  unsafePublicAddress @5 :Bool = false;
  stopTimeoutMs @6 :UInt32 = 8000;
  unsafeTimeDivisor @7 :UInt32 = 1;
}

struct LoggingOptions {
  structuredLogging @0 :Bool = false;
  # One JSON object on each line instead of plain text.
  stdoutPrefix @1 :Text;
  # Stands before each line that a worker writes to standard output; `stdout: ` where nothing is given.
  stderrPrefix @2 :Text;
  # The same for standard error; `stderr: `.
}

struct Socket {
  # A listener and the service behind it.

  name @0 :Text;
  # Command-line options refer to the socket by this.

  address @1 :Text;
  # `*:80`, `192.0.2.1:80`, `[2001:db8::1]:80`, `unix:/path`, `unix-abstract:name` or `host:80`. Without one the
  # command line has to say where to listen.

  union {
    http @2 :HttpOptions;
    https :group {
      options @3 :HttpOptions;
      tlsOptions @4 :TlsOptions;
    }
    tcp :group {
      # Each connection goes to the service's `connect` handler as it is, or after TLS when there are options for that.
      tlsOptions @6 :TlsOptions;
      tlsMode @9 :TcpTlsMode = implicit;
    }
    udp :group {
      idleTimeoutMs @7 :UInt32 = 30000;
      maxPendingBytes @8 :UInt32 = 262144;
    }
  }

  service @5 :ServiceDesignator;
  # Who answers.

  enum TcpTlsMode {
    implicit @0;
    startTls @1;
  }
}

struct Service {
  name @0 :Text;
  # Unique among the services.

  union {
    unspecified @1 :Void;
    # What is left when a service says nothing; an error.
    worker @2 :Worker;
    # Code.
    network @3 :Network;
    # Requests go wherever their URL points.
    external @4 :ExternalServer;
    # Requests go to one server, whatever their URL says.
    disk @5 :DiskDirectory;
    # Requests read, and perhaps write, files.
    bucket @6 :ClusterBucket;
    assets @7 :AssetsService;
  }
}

struct ClusterBucket {
  path @0 :Text;
}

struct AssetsService {
  # Static files with the routing rules of a site.

  path @0 :Text;
  config @1 :Text;
  userWorker @2 :ServiceDesignator;
  compatibilityDate @3 :Text;
  compatibilityFlags @4 :List(Text);
}

struct ServiceDesignator {
  # A service and a way into it. Where only the name matters, a string can stand for the whole struct.

  name @0 :Text;
  entrypoint @1 :Text;
  # The named export of a worker that takes the events; the default export where nothing is given.
  props :union {
    # What `ctx.props` is.
    empty @2 :Void;
    # An empty object.
    json @3 :Text;
  }
}

struct WorkflowsEngine {
  actorClass @0 :ServiceDesignator;
  workflows @1 :List(Workflow);

  struct Workflow {
    className @0 :Text;
    name @1 :Text;
    bindingService @2 :ServiceDesignator;
  }
}

struct Worker {
  # Code, and what it may reach.

  union {
    modules @0 :List(Module);
    # ES-module syntax. The first module is the main one.
    serviceWorkerScript @1 :Text;
    # Service-worker syntax: one script that registers listeners.
    inherit @2 :Text;
    # All of another worker, with changes.
  }

  struct Module {
    name @0 :Text;
    # What `import` calls it.

    union {
      esModule @1 :Text;
      commonJsModule @2 :Text;
      text @3 :Text;
      # The default export is a string.
      data @4 :Data;
      # The default export is an ArrayBuffer.
      wasm @5 :Data;
      # The default export is a WebAssembly.Module.
      json @6 :Text;
      # The default export is what the JSON text says.
      obsolete @7 :Text;
      pythonModule @8 :Text;
      obsoletePythonRequirement @9 :Text;
      bundled @11 :Text;
    }

    namedExports @10 :List(Text);
    # Of a CommonJS module: what ES modules can import from it by name.
  }

  compatibilityDate @3 :Text;
  # `YYYY-MM-DD`: the worker sees the behaviour of that day.
  compatibilityFlags @4 :List(Text);
  # Single changes in behaviour to switch on or off, whatever the date says.

  bindings @5 :List(Binding);
  # What the worker is given in `env`, or as globals in service-worker syntax.

  struct Binding {
    name @0 :Text;

    union {
      unspecified @1 :Void;
      # What is left when a binding says nothing; an error.
      parameter :group {
        # To be filled in by a worker that inherits from this one.
        type @2 :Type;
        optional @3 :Bool;
      }
      text @4 :Text;
      data @5 :Data;
      json @6 :Text;
      wasmModule @7 :Data;
      # In service-worker syntax only: the other syntax has modules for this.
      cryptoKey @8 :CryptoKey;
      service @9 :ServiceDesignator;
      durableObjectClass @26 :ServiceDesignator;
      durableObjectNamespace @10 :DurableObjectNamespaceDesignator;
      kvNamespace @11 :ServiceDesignator;
      r2Bucket @12 :ServiceDesignator;
      obsolete0 @13 :ServiceDesignator;
      wrapped @14 :WrappedBinding;
      queue @15 :ServiceDesignator;
      fromEnvironment @16 :Text;
      # Names a variable of the server's environment.
      analyticsEngine @17 :ServiceDesignator;
      hyperdrive :group {
        # A database behind a service that takes connections.
        designator @18 :ServiceDesignator;
        database @19 :Text;
        user @20 :Text;
        password @21 :Text;
        scheme @22 :Text;
      }
      unsafeEval @23 :Void;
      memoryCache :group {
        # Shared by all workers that give the same id.
        id @24 :Text;
        limits @25 :MemoryCacheLimits;
      }
      workerLoader :group {
        # Starts workers from code that exists only at run time.
        id @27 :Text;
      }
      workerdDebugPort @28 :Void;
    }

    struct Type {
      # What a parameter has to be.

      union {
        unspecified @0 :Void;
        text @1 :Void;
        data @2 :Void;
        json @3 :Void;
        wasm @4 :Void;
        cryptoKey @5 :List(CryptoKey.Usage);
        service @6 :Void;
        durableObjectNamespace @7 :Void;
        kvNamespace @8 :Void;
        r2Bucket @9 :Void;
        obsolete0 @10 :Void;
        queue @11 :Void;
        analyticsEngine @12 :Void;
        hyperdrive @13 :Void;
        durableObjectClass @14 :Void;
        workerdDebugPort @15 :Void;
      }
    }

    struct DurableObjectNamespaceDesignator {
      className @0 :Text;
      serviceName @1 :Text;
      # The worker that defines the class; this one where nothing is given.
      obsolete2 @2 :AnyPointer;
    }

    struct CryptoKey {
      # A key that the script can use; whether it can also read it is said below.

      union {
        raw @0 :Data;
        hex @1 :Text;
        base64 @2 :Text;
        pkcs8 @3 :Text;
        # PEM, `PRIVATE KEY`.
        spki @4 :Text;
        # PEM, `PUBLIC KEY`.
        jwk @5 :Text;
      }

      algorithm :union {
        # The argument of that name to `crypto.subtle.importKey`.
        name @6 :Text;
        json @7 :Text;
      }

      extractable @8 :Bool = false;
      usages @9 :List(Usage);

      enum Usage {
        encrypt @0;
        decrypt @1;
        sign @2;
        verify @3;
        deriveKey @4;
        deriveBits @5;
        wrapKey @6;
        unwrapKey @7;
      }
    }

    struct MemoryCacheLimits {
      maxKeys @0 :UInt32;
      maxValueSize @1 :UInt32;
      # Bytes.
      maxTotalValueSize @2 :UInt64;
      # Bytes.
    }

    struct WrappedBinding {
      # An object that an extension's module makes from other bindings.

      moduleName @0 :Text;
      entrypoint @1 :Text = "default";
      innerBindings @2 :List(Binding);
    }
  }

  globalOutbound @6 :ServiceDesignator = (name = "internet");
  # Who answers the global `fetch` and `connect`.

  cacheApiOutbound @11 :ServiceDesignator;
  # Who answers the Cache API.

  durableObjectNamespaces @7 :List(DurableObjectNamespace);
  # The classes of this worker of which objects can be made.

  struct DurableObjectNamespace {
    className @0 :Text;

    union {
      uniqueKey @1 :Text;
      # Object ids and stored data belong to this key; it must never change.
      ephemeralLocal @2 :Void;
      # Objects without storage.
    }

    preventEviction @3 :Bool;
    # Objects stay in memory once they are there.
    enableSql @4 :Bool;
    container @5 :ContainerOptions;

    struct ContainerOptions {
      imageName @0 :Text;
      privileges @1 :ContainerPrivileges;
      images @2 :List(NamedImage);

      struct NamedImage {
        name @0 :Text;
        image @1 :Text;
      }

      struct ContainerPrivileges {
        capabilities @0 :List(Text);
        devices @1 :List(Device);
        securityOpt @2 :List(Text);

        struct Device {
          pathOnHost @0 :Text;
          pathInContainer @1 :Text;
          cgroupPermissions @2 :Text;
        }
      }
    }
  }

  durableObjectUniqueKeyModifier @8 :Text;

  durableObjectStorage :union {
    none @9 :Void;
    inMemory @10 :Void;
    # Gone when the process ends.
    localDisk @12 :Text;
    # Names a service that is a writable directory.
  }

  moduleFallback @13 :Text;
  # `host:port` of a server that is asked for modules that are not here.

  tails @14 :List(ServiceDesignator);
  # Workers that are told what this one did, after each event.
  streamingTails @15 :List(ServiceDesignator);
  # The same, while it happens.

  containerEngine :union {
    none @16 :Void;
    localDocker @17 :DockerConfiguration;
  }

  struct DockerConfiguration {
    socketPath @0 :Text;
    containerEgressInterceptorImage @1 :Text;
    sessionId @2 :Text;
  }

  accessBlobHeader @18 :Text;
  # The header from which `ctx.access` is made.
  accessBindingService @19 :ServiceDesignator;

  workflowsEngine @20 :WorkflowsEngine;
}

struct ExternalServer {
  # One server somewhere else.

  address @0 :Text;
  # As for a socket; without one the command line has to say.

  union {
    http @1 :HttpOptions;
    https :group {
      options @2 :HttpOptions;
      tlsOptions @3 :TlsOptions;
      certificateHost @4 :Text;
      # The name that the certificate must be for, where it is not the host of the address.
    }
    tcp :group {
      tlsOptions @5 :TlsOptions;
      certificateHost @6 :Text;
    }
  }
}

struct Network {
  # A part of the network.

  allow @0 :List(Text) = ["public"];
  # Ranges such as `10.0.0.0/8`, or `public`, `private`, `local`, `network`, `unix`, `unix-abstract`.
  deny @1 :List(Text);
  # Taken out of what is allowed; the more specific range decides.
  tlsOptions @2 :TlsOptions;
  # Without these no `https:` URL can be fetched.
}

struct DiskDirectory {
  # A directory that is read and written by `GET`, `PUT` and `DELETE`.

  path @0 :Text;
  # Relative to where the server was started.
  writable @1 :Bool = false;
  allowDotfiles @2 :Bool = false;
}

struct HttpOptions {
  style @0 :Style = host;

  enum Style {
    host @0;
    # The request line has a path, the `Host` header the rest.
    proxy @1;
    # The request line has a whole URL.
  }

  forwardedProtoHeader @1 :Text;
  # The header that carries the scheme the client used, such as `X-Forwarded-Proto`.

  cfBlobHeader @2 :Text;
  # The header that carries JSON for `request.cf`.

  injectRequestHeaders @3 :List(Header);
  injectResponseHeaders @4 :List(Header);

  struct Header {
    name @0 :Text;
    value @1 :Text;
    # Takes the place of all values; without one the header is taken away.
  }

  capnpConnectHost @5 :Text;
  # A `CONNECT` to this `host:port` becomes a Cap'n Proto session.
}

struct TlsOptions {
  keypair @0 :Keypair;

  struct Keypair {
    privateKey @0 :Text;
    # PEM.
    certificateChain @1 :Text;
    # PEM, the server's own certificate first.
  }

  requireClientCerts @1 :Bool = false;
  trustBrowserCas @2 :Bool = false;
  # Trust the authorities that the system trusts.
  trustedCertificates @3 :List(Text);
  # PEM; trusted beside those.

  minVersion @4 :Version = goodDefault;

  enum Version {
    goodDefault @0;
    ssl3 @1;
    tls1Dot0 @2;
    tls1Dot1 @3;
    tls1Dot2 @4;
    tls1Dot3 @5;
  }

  cipherList @5 :Text;
  # In OpenSSL's notation.
}

struct Extension {
  modules @0 :List(Module);

  struct Module {
    name @0 :Text;
    internal @1 :Bool = false;
    # Only modules of extensions can import it.
    esModule @2 :Text;
  }
}

struct FallbackServiceRequest {
  # What a module fallback server is asked, as JSON.

  type @0 :Text;
  specifier @1 :Text;
  rawSpecifier @2 :Text;
  referrer @3 :Text;

  struct Attribute {
    name @0 :Text;
    value @1 :Text;
  }

  attributes @4 :List(Attribute);
}
