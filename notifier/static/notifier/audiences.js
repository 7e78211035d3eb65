// Counts what is chosen as soon as it is chosen, and keeps what is chosen or pressed meanwhile.
//
// An answer replaces the form, so one that was asked for before an edit would undo it: it is dropped, and asked for anew.
// Listening at the document, because nothing hears in the new form until htmx has gone through it.

const PARTS = "#builder-parts, #who-part";
const NOT_COUNTED = ".add-condition";
const REPLACED = new Set(["content-main", "who-is-in"]);
const DELAY = 200;

let edits = 0;
let timer = 0;
// An answer was dropped, so the numbers are not those of what stands there.
let isOwed = false;
// The request of a button, and that button. No count goes out meanwhile: it would end the request.
let pressed = null;
let button = null;
const editsAt = new WeakMap();

const form = () => document.getElementById("builder");
const isPart = (element) => element.closest?.(PARTS) && !element.closest(NOT_COUNTED);

function count(delay = DELAY) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (pressed === null) htmx.trigger("#recount", "recount");
  }, delay);
}

document.addEventListener("input", (event) => {
  if (event.target.form?.id === "builder") edits += 1;
});
document.addEventListener("change", (event) => {
  if (isPart(event.target)) count();
});
document.addEventListener("focusout", (event) => {
  if (isOwed && event.target.form?.id === "builder") count();
});
document.addEventListener("submit", (event) => {
  if (event.target.id === "builder") button = event.submitter;
}, true);

document.addEventListener("htmx:beforeRequest", (event) => {
  const { xhr, elt } = event.detail;
  editsAt.set(xhr, edits);
  if (elt.id !== "builder") return;
  // It says all that was entered, so what waits to be counted is counted with it.
  clearTimeout(timer);
  pressed = xhr;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr === pressed) pressed = null;
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  if (!REPLACED.has(target.id) || !event.detail.shouldSwap) return;
  if (editsAt.get(xhr) === edits) {
    isOwed = false;
    return;
  }
  event.detail.shouldSwap = false;
  isOwed = true;
  if (xhr !== pressed) return;
  pressed = null;
  const again = button;
  // What the button does is done to what stands there now. To save twice would be another thing: that is left as it is.
  if (again?.value !== "save") setTimeout(() => form()?.requestSubmit(again));
});
