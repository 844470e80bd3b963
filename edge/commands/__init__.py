"""The commands of `edge`, one module each: parse, call, print. No logic of their own."""
