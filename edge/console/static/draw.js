// Drawing shared by the live view and the zone editor. Coordinates are fractions of the frame.
"use strict";
const colours = {watch: "#2f9bff", forbidden: "#ff5348", permitted: "#35c07d", frontage: "#ffb020", lane: "#a98bff",
  site: "#f0883e", gate: "#8ad0d6", wash: "#4cc9f0", dump: "#c98f5a", mask: "#8a97a3"};

function drawLook(canvas, look, names = {}) {
  const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  canvas.width = box.width * ratio; canvas.height = box.height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio); pen.lineWidth = 2; pen.font = "13px system-ui";
  for (const track of look.tracks || []) {
    frame(pen, box, track.box, track.coasted ? "#9fb3c1" : "#58d68d", `${track.label} ${Math.round(track.score * 100)}`);
  }
  for (const one of look.candidates || []) {
    frame(pen, box, one.box, "#ff5348", `${names[one.category] || one.category} ${clock(one.held_s)} / ${clock(one.due_s)}`);
  }
  return {pen, box};
}

function drawZones({pen, box}, zones) {
  pen.lineWidth = 1.5; pen.setLineDash([6, 4]);
  for (const zone of zones) {
    const corners = zone.polygon || zone.line || [];
    if (corners.length < 2) continue;
    pen.strokeStyle = colours[zone.kind || "watch"] || colours.watch;
    pen.beginPath();
    corners.forEach(([x, y], n) => n ? pen.lineTo(x * box.width, y * box.height) : pen.moveTo(x * box.width, y * box.height));
    if (zone.polygon) pen.closePath();
    pen.stroke();
  }
  pen.setLineDash([]);
}

function frame(pen, size, box, colour, text) {
  const x = box[0] * size.width, y = box[1] * size.height;
  pen.strokeStyle = colour; pen.strokeRect(x, y, (box[2] - box[0]) * size.width, (box[3] - box[1]) * size.height);
  const width = pen.measureText(text).width + 6;
  pen.fillStyle = colour; pen.fillRect(x, Math.max(0, y - 17), width, 17);
  pen.fillStyle = "#08131a"; pen.fillText(text, x + 3, Math.max(13, y - 4));
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function csrf() { return document.querySelector('meta[name="csrf"]').content; }
