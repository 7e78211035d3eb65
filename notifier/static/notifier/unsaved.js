// Asks before a form with unsaved edits is left, and lets a link that needs them saved save them.

const forms = [...document.querySelectorAll("#content-main form[id$=_form], form[data-edits]")];
// Looking for something, or at a preview, is no edit; nor is what a page carries hidden, nor who gets a test.
const NO_EDITS = new Set(["hidden", "submit", "button", "search", "image", "reset"]);

function isEdited(field) {
  if (!field.name || field.disabled || NO_EDITS.has(field.type) || field.closest("[data-no-edits]")) return false;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.type === "file") return field.files.length > 0;
  if (field.options) {
    const standing = [...field.options].filter((option) => option.defaultSelected);
    if (field.type === "select-one" && standing.length === 0) return field.selectedIndex > 0;
    return [...field.options].some((option) => option.selected !== standing.includes(option));
  }
  return field.value !== field.defaultValue;
}

// Where a form came back with a mistake, or with what was kept of an earlier visit, what was typed stands in it as if it
// had been there. The page says so above the form.
function hasEdits(form) {
  return document.querySelector("#error-summary, [data-unsaved]") !== null || [...form.elements].some(isEdited);
}

let isSaving = false;

for (const form of forms) {
  form.addEventListener("submit", (event) => {
    // A preview goes into a frame, and the form stays.
    const target = event.submitter?.formTarget || form.target;
    if (target === "" || target === "_self") isSaving = !event.defaultPrevented;
  });
  form.addEventListener("input", (event) => {
    if (isEdited(event.target)) isSaving = false;
  });
}

// Whoever discards what was kept is not asked once more.
document.querySelector("[data-unsaved] form")?.addEventListener("submit", () => { isSaving = true; });

window.addEventListener("beforeunload", (event) => {
  if (!isSaving && forms.some(hasEdits)) event.preventDefault();
});
window.addEventListener("pageshow", () => { isSaving = false; });

for (const link of document.querySelectorAll("a[data-saves-with]")) {
  const form = forms[0];
  const button = form?.elements[link.dataset.savesWith];
  if (!button) continue;
  const label = link.textContent;
  const tell = () => { link.textContent = hasEdits(form) ? button.value : label; };
  form.addEventListener("input", tell);
  form.addEventListener("change", tell);
  tell();
  link.addEventListener("click", (event) => {
    if (!hasEdits(form)) return;
    event.preventDefault();
    form.requestSubmit(button);
  });
}
