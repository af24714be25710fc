// What node:net and node:dns know of addresses without asking anybody.
import { invalidArgValue, validateInteger } from "internal:node_errors";
import scripts from "native:scripts";

const { uncurryThis } = scripts.primordials;
const exec = uncurryThis(RegExp.prototype.exec);

const byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const fourthVersion = new RegExp(`^${byte}(?:\\.${byte}){3}$`);
const group = /^[\da-fA-F]{1,4}$/;
const zone = /^[\da-zA-Z.:-]+$/;

/** How many groups of 16 bits the colons separate; the last may be an address of version 4. NaN if it is none. */
const groupsOf = (text, mayEndInFour) => {
  if (text === "") return 0;
  let count = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    if (i < text.length && text[i] !== ":") continue;
    let part = "";
    for (let j = start; j < i; j++) part += text[j];
    start = i + 1;
    if (exec(group, part) !== null) count++;
    else if (mayEndInFour && i === text.length && exec(fourthVersion, part) !== null) count += 2;
    else return NaN;
  }
  return count;
};

export function isIPv4(input) {
  return exec(fourthVersion, `${input}`) !== null;
}

export function isIPv6(input) {
  const text = `${input}`;
  let address = "";
  let end = 0;
  for (; end < text.length && text[end] !== "%"; end++) address += text[end];
  if (end < text.length) {
    let name = "";
    for (let i = end + 1; i < text.length; i++) name += text[i];
    if (exec(zone, name) === null) return false;
  }
  let gap = -1;
  for (let i = 0; i + 1 < address.length && gap < 0; i++) if (address[i] === ":" && address[i + 1] === ":") gap = i;
  if (gap < 0) return groupsOf(address, true) === 8;
  let before = "";
  let after = "";
  for (let i = 0; i < gap; i++) before += address[i];
  for (let i = gap + 2; i < address.length; i++) after += address[i];
  return groupsOf(before, false) + groupsOf(after, true) <= 7;
}

export function isIP(input) {
  if (isIPv4(input)) return 4;
  return isIPv6(input) ? 6 : 0;
}

let attemptTimeout = 10;

export function getDefaultAutoSelectFamily() {
  return false;
}

/** As in the reference there is nothing to select from. */
export function setDefaultAutoSelectFamily(value) {
  if (value) throw invalidArgValue("val", value);
}

export function getDefaultAutoSelectFamilyAttemptTimeout() {
  return attemptTimeout;
}

export function setDefaultAutoSelectFamilyAttemptTimeout(value) {
  validateInteger(value, "val", 1, 2147483647);
  attemptTimeout = value < 10 ? 10 : value;
}

let order = "verbatim";

export function getDefaultResultOrder() {
  return order;
}

export function setDefaultResultOrder(value) {
  if (value !== "verbatim" && value !== "ipv4first" && value !== "ipv6first") {
    throw invalidArgValue("dnsOrder", value, "must be one of: 'verbatim', 'ipv4first', 'ipv6first'");
  }
  order = value;
}
