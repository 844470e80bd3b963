// The case file was asked for to be printed: the dialog opens once its pictures are here.
"use strict";
addEventListener("load", () => print());
