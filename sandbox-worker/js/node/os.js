// node:os: what is true of where workers run, and nothing of the machine beneath.
import { validateInteger } from "internal:node_errors";
import { dlopen, errno, priority, signals } from "internal:os_constants";

const { freeze } = Object;

const EOL = "\n";
const devNull = "/dev/null";
const constants = freeze({ __proto__: null, UV_UDP_REUSEADDR: 4, dlopen, errno, signals, priority });

const availableParallelism = () => 1;
const arch = () => "x64";
const cpus = () => [];
const endianness = () => "LE";
const freemem = () => 0;
function getPriority(pid) {
  if (pid !== undefined) validateInteger(pid, "pid", -2147483648, 2147483647);
  return 0;
}
const homedir = () => "/tmp/";
const hostname = () => "localhost";
const loadavg = () => [0, 0, 0];
const machine = () => "x86_64";
const networkInterfaces = () => ({});
const platform = () => "linux";
const release = () => "";
function setPriority(pid, given) {
  validateInteger(pid, "pid", -2147483648, 2147483647);
  validateInteger(given, "priority", -2147483648, 2147483647);
}
const tmpdir = () => "/tmp/";
const totalmem = () => 0;
const type = () => "Linux";
const uptime = () => 0;
const userInfo = () => ({});
const version = () => "";

export {
  EOL, arch, availableParallelism, constants, cpus, devNull, endianness, freemem, getPriority, homedir, hostname, loadavg, machine,
  networkInterfaces, platform, release, setPriority, tmpdir, totalmem, type, uptime, userInfo, version,
};
export default {
  EOL, devNull, constants, availableParallelism, arch, cpus, endianness, freemem, getPriority, homedir, hostname, loadavg, machine,
  networkInterfaces, platform, release, setPriority, tmpdir, totalmem, type, uptime, userInfo, version,
};
