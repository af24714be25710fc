/** What the binding `greeter` is: made of the bindings within it. */
export default function (env) {
  return { greet: (name) => `${env.word}, ${name}!` };
}

export function makeAdder(env) {
  return (number) => number + env.step;
}
