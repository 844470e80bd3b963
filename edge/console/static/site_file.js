// Line numbers beside the text, and the line that is wrong marked and in view.
"use strict";
const area = document.getElementById("text"), numbers = document.getElementById("numbers");
if (area) {
  const wrong = Number(area.dataset.line || 0);
  const count = () => {
    numbers.replaceChildren(...area.value.split("\n").map((_, n) => {
      const row = document.createElement("span");
      row.textContent = `${n + 1}\n`;
      if (n + 1 === wrong) row.className = "wrong";
      return row;
    }));
    numbers.scrollTop = area.scrollTop;
  };
  area.addEventListener("input", count);
  area.addEventListener("scroll", () => { numbers.scrollTop = area.scrollTop; });
  count();
  if (wrong) {
    const before = area.value.split("\n").slice(0, wrong - 1).join("\n").length + (wrong > 1 ? 1 : 0);
    const line = area.value.split("\n")[wrong - 1] || "";
    area.scrollTop = (wrong - 4) * 18;
    area.focus({preventScroll: true}); area.setSelectionRange(before, before + line.length);
  }
}
