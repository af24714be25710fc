export default {
  "btoa": () => [btoa(""), btoa("a"), btoa("ab"), btoa("abc"), btoa("\xff\x00")],
  "btoa of other types": () => [btoa(null), btoa(undefined), btoa(12), btoa({})],
  "btoa beyond latin-1": () => btoa("☃"),
  "btoa without an argument": () => btoa(),
  "atob": () => [atob(""), atob("YQ=="), atob("YQ"), atob(" Y\tW\nJ\fj\r"), atob("/+8=")],
  "there and back, long": () => {
    const text = String.fromCharCode(...Array.from({ length: 1000 }, (_, index) => (index * 7) % 256));
    const encoded = btoa(text);
    return [encoded, atob(encoded) === text, atob(encoded.replace(/.{13}/g, "$& \n")) === text];
  },
  "of strings that V8 keeps in two bytes": () => [btoa("☃abc\xff".slice(1)), atob("☃YWJj".slice(1))],
  "atob with an error far behind": () => atob("YWJj".repeat(100) + "Y*Jj"),
  "atob with a remainder that says something": () => [atob("YR"), atob("YWK=")],
  "atob of other types": () => [atob(null), atob("undefined".slice(0, 8))],
  "atob of one character": () => atob("a"),
  "atob with bad padding": () => atob("YQ="),
  "atob with padding inside": () => atob("YQ==YQ=="),
  "atob with a foreign character": () => atob("Y-_="),
  "atob beyond latin-1": () => atob("☃"),
  "atob without an argument": () => atob(),
  "names and lengths": () => [atob.name, atob.length, btoa.name, btoa.length],
};
