// Runs one table of the Web Platform Tests in a worker: `GET /<table>` answers with the cases that failed, by their
// position and input, and with how many there were. The tables' formats are described in the Web Platform Tests.
import urls from "urltestdata";
import setters from "setters_tests";
import toAscii from "toascii";
import idna from "IdnaTestV2";
import percent from "percent-encoding";
import base64 from "base64";

const PARTS = ["href", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];

// A case is [label, function that returns undefined or what is wrong].
const tables = {
  *urltestdata() {
    for (const { input, base, failure, ...expected } of cases(urls)) {
      const label = `${JSON.stringify(input)} against ${JSON.stringify(base ?? null)}`;
      const construct = () => new URL(input, base ?? undefined);
      if (failure) {
        yield [`${label} fails`, () => (throws(construct) ? undefined : `parsed as ${construct().href}`)];
        yield [`${label} cannot be parsed`, () => equal(URL.canParse(input, base ?? undefined), false)];
        continue;
      }
      yield [label, () => {
        const url = construct();
        const wrong = PARTS.concat("origin").filter((part) => part in expected && url[part] !== expected[part]);
        if ("searchParams" in expected && String(url.searchParams) !== expected.searchParams) wrong.push("searchParams");
        return wrong.length ? wrong.map((part) => `${part} is ${String(url[part])}`).join(", ") : undefined;
      }];
      yield [`${label} can be parsed`, () => equal(URL.canParse(input, base ?? undefined), true)];
    }
  },
  *setters_tests() {
    for (const [attribute, list] of Object.entries(setters)) {
      if (attribute === "comment") continue;
      for (const { href, new_value, expected } of list) {
        yield [`${attribute} of ${JSON.stringify(href)} to ${JSON.stringify(new_value)}`, () => {
          const url = new URL(href);
          url[attribute] = new_value;
          const wrong = Object.keys(expected).filter((part) => url[part] !== expected[part]);
          return wrong.length ? wrong.map((part) => `${part} is ${url[part]}`).join(", ") : undefined;
        }];
      }
    }
  },
  *toascii() {
    yield* hosts(toAscii);
  },
  *IdnaTestV2() {
    yield* hosts(idna);
  },
  *"percent-encoding"() {
    for (const { input, output } of cases(percent)) {
      // Only the encoding that every URL has here: documents in others do not exist.
      yield [JSON.stringify(input), () => equal(new URL(`http://h/?${input}`).search, `?${output["utf-8"]}`)];
    }
  },
  *base64() {
    for (const [input, output] of base64) {
      const decode = () => Array.from(atob(input), (character) => character.charCodeAt(0));
      yield [JSON.stringify(input), () => {
        if (output !== null) return equal(JSON.stringify(decode()), JSON.stringify(output));
        return throws(decode) ? undefined : "did not throw";
      }];
    }
  },
};

function* hosts(table) {
  for (const { input, output } of cases(table)) {
    if (input === "") continue; // means the URL without a host, which another table has
    const label = JSON.stringify(input);
    const construct = () => new URL(`https://${input}/x`);
    if (output === null) {
      yield [label, () => (throws(construct) ? undefined : `host is ${construct().host}`)];
    } else {
      yield [label, () => equal([construct().host, construct().hostname, construct().pathname].join(" "), [output, output, "/x"].join(" "))];
    }
  }
}

const cases = (table) => table.filter((entry) => typeof entry === "object");
const equal = (actual, expected) => (actual === expected ? undefined : `is ${actual}, not ${expected}`);

function throws(action) {
  try {
    action();
    return false;
  } catch {
    return true;
  }
}

export default {
  async fetch(request) {
    const table = tables[new URL(request.url).pathname.slice(1)];
    if (!table) return Response.json(Object.keys(tables));
    let total = 0;
    const failures = [];
    for (const [label, test] of table()) {
      total += 1;
      let wrong;
      try {
        wrong = test();
      } catch (error) {
        wrong = `threw ${error?.name}: ${error?.message}`;
      }
      if (wrong !== undefined) failures.push([`#${total} ${label}`, wrong]);
    }
    return Response.json({ total, failures });
  },
};
