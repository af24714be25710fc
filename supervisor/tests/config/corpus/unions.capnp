using Workerd = import "/workerd/workerd.capnp";
using Type = Workerd.Worker.Binding.Type;
const config :Workerd.Config = (
  services = [
    (),
    (unspecified = void),
    (name = "w", worker = (serviceWorkerScript = "", durableObjectStorage = (inMemory = void))),
    (name = "x", worker = (inherit = "w", durableObjectStorage = (localDisk = "disk"), containerEngine = (localDocker = (socketPath = "/s")))),
    (name = "n", network = (deny = [], tlsOptions = (minVersion = tls1Dot3, trustBrowserCas = true))),
    (name = "m", network = ()),
    (name = "e", external = (address = "a", https = (options = (style = proxy), certificateHost = "h"))),
    (name = "t", external = (tcp = (tlsOptions = ()))),
    (name = "d", disk = (path = "/", writable = true)),
    (name = "bindings", worker = (modules = [], bindings = [
      (name = "a", parameter = (type = (cryptoKey = [encrypt, unwrapKey, sign]), optional = true)),
      (name = "b", parameter = (type = .void)),
      (name = "c", cryptoKey = (jwk = "{}", algorithm = (json = "{}"), extractable = true, usages = [verify])),
      (name = "d", hyperdrive = (designator = (name = "x", props = (json = "1")), user = "u")),
      (name = "e", unsafeEval = void),
      (name = "f", wrapped = (moduleName = "m", innerBindings = [(wrapped = (entrypoint = "e", innerBindings = [(), ()]))])),
      (name = "g", durableObjectNamespace = (className = "C", serviceName = "s")),
      (name = "h", workerLoader = ()),
      (name = "i", workerdDebugPort = void),
    ], durableObjectNamespaces = [(className = "a", ephemeralLocal = void, preventEviction = true), (uniqueKey = "", container = (privileges = (devices = [()])))])),
  ],
  sockets = [(https = (options = ())), (tcp = (tlsMode = startTls)), (http = ()), ()],
);
const void :Type = (text = void);
