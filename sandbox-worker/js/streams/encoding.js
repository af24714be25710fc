// TextEncoderStream and TextDecoderStream (Encoding Standard section 7).
(function (internal) {
  "use strict";
  const {
    bytesOf, brand, toDOMString, shape, uncurryThis, withoutObjectPrototype, adorn, carried,
  } = internal.primordials;
  const { pipe, writableWrapper, readableWrapper, makeInternalTransform, IdentityPipe } = internal.streams;
  const StringPrototypeCharCodeAt = uncurryThis(String.prototype.charCodeAt);
  const StringPrototypeSlice = uncurryThis(String.prototype.slice);
  const TypeErrorConstructor = TypeError;
  const Bytes = Uint8Array;

  // What compatibility flags change: true on the newest dates.
  let standardTransform = true;
  internal.atBind((flag) => {
    standardTransform = flag("transformstream_enable_standard_constructor");
  });

  // Before `transformstream_enable_standard_constructor` the transforms of text were identity transforms, as in the reference.
  const textTransform = (codec) =>
    standardTransform ? makeInternalTransform(codec) : new IdentityPipe(undefined, undefined);
  // Encoding Standard, TextEncoderStream: a surrogate pair split over two chunks is joined.
  class EncoderCodec {
    constructor() {
      this.high = "";
    }
    transform(chunk) {
      let text = this.high + toDOMString(chunk);
      this.high = "";
      const { length } = text;
      if (length > 0) {
        const last = StringPrototypeCharCodeAt(text, length - 1);
        if (last >= 0xd800 && last <= 0xdbff) {
          this.high = text[length - 1];
          text = StringPrototypeSlice(text, 0, length - 1);
        }
      }
      return text.length > 0 ? internal.encodeUtf8(text) : undefined;
    }
    flush() {
      return this.high === "" ? undefined : internal.encodeUtf8("\ufffd");
    }
  }
  /** The streams of a class that includes the standard's mixin GenericTransformStream: no TransformStream. */
  class TransformSides {
    constructor(pipe) {
      this.pipe = pipe;
      this.made = undefined;
    }
    get readable() {
      return (this.made ??= readableWrapper(this.pipe.readable));
    }
    get writable() {
      return writableWrapper(this.pipe.writable);
    }
  }
  class TextEncoderStream {
    #sides = new TransformSides(textTransform(new EncoderCodec()));
    #adorned = adorn(this);
    static #check = brand((value) => #sides in value);
    get encoding() {
      TextEncoderStream.#check(this);
      return "utf-8";
    }
    get readable() {
      TextEncoderStream.#check(this);
      return this.#sides.readable;
    }
    get writable() {
      TextEncoderStream.#check(this);
      return this.#sides.writable;
    }
  }
  shape(TextEncoderStream, "TextEncoderStream");
  carried(TextEncoderStream, ["readable", "writable"]);

  class DecoderCodec {
    constructor(decoder) {
      this.decoder = decoder;
    }
    transform(chunk) {
      if (bytesOf(chunk) === undefined) {
        throw new TypeErrorConstructor(
          "This TransformStream is being used as a byte stream, but received a value that is not a BufferSource.",
        );
      }
      const text = internal.decodeText(this.decoder, chunk, true);
      return text === "" ? undefined : text;
    }
    flush() {
      const text = internal.decodeText(this.decoder, undefined, false);
      return text === "" ? undefined : text;
    }
  }
  class TextDecoderStream {
    #decoder = adorn(this);
    #sides;
    static #check = brand((value) => #decoder in value);
    constructor(label = "utf-8", options = undefined) {
      this.#decoder = internal.newTextDecoder(label, options);
      this.#sides = new TransformSides(textTransform(new DecoderCodec(this.#decoder)));
    }
    get encoding() {
      TextDecoderStream.#check(this);
      return this.#decoder.encoding;
    }
    get fatal() {
      TextDecoderStream.#check(this);
      return this.#decoder.fatal;
    }
    get ignoreBOM() {
      TextDecoderStream.#check(this);
      return this.#decoder.ignoreBOM;
    }
    get readable() {
      TextDecoderStream.#check(this);
      return this.#sides.readable;
    }
    get writable() {
      TextDecoderStream.#check(this);
      return this.#sides.writable;
    }
  }
  shape(TextDecoderStream, "TextDecoderStream");
  carried(TextDecoderStream, ["readable", "writable"]);

  const { globals } = internal;
  globals.TextEncoderStream = TextEncoderStream;
  globals.TextDecoderStream = TextDecoderStream;
  withoutObjectPrototype([EncoderCodec, DecoderCodec, TransformSides]);
  return {
    encodeIntoResult: (read, written) => ({ read, written }),
    iteratorResult: (done, value) => ({ done, value }),
    encodeAscii: (text) => {
      const { length } = text;
      const bytes = new Bytes(length);
      for (let i = 0; i < length; i++) {
        const unit = StringPrototypeCharCodeAt(text, i);
        if (unit > 0x7f) return undefined;
        bytes[i] = unit;
      }
      return bytes;
    },
  };
})
