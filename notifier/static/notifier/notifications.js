// Makes the form live: the preview follows what is typed, on the screen that was chosen.
// Without it a button shows the draft in the frame, on all screens.

const PAUSE_MILLISECONDS = 500;

const form = document.getElementById("notification_form");
const preview = document.getElementById("preview");
const button = document.getElementById("show-preview");
const screens = document.getElementById("screens");

function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

function chosenScreen() {
  return screens.querySelector(":checked").value;
}

// A desktop would be too small to be read there.
if (matchMedia("(max-width: 640px)").matches) screens.querySelector('[value="phone"]').checked = true;

// Whoever writes the SMS looks at the SMS, and at the e-mail while writing that: where they looked at it last.
let lastMailScreen = chosenScreen();

function screenFor(field) {
  // In another language the names begin with its code: de_subject.
  const name = field.name?.replace(/^[a-z-]{2,12}_(?=(?:subject|preheader|email_body|sms_body)$)/, "") ?? "";
  if (name === "sms_body") return "sms";
  const isOfMail = ["subject", "preheader", "email_body"].includes(name);
  return isOfMail && chosenScreen() === "sms" ? lastMailScreen : chosenScreen();
}

// Whoever writes in a language looks at the preview in it.
const languages = document.getElementById("languages");

function languageFor(field) {
  if (!languages || !field.closest(".texts")) return null;
  const code = field.closest("[data-language]")?.dataset.language;
  return languages.querySelector(code ? `[value="${code}"]` : "input");
}

function look(field) {
  const screen = screenFor(field);
  const language = languageFor(field);
  if (screen === chosenScreen() && (language === null || language.checked)) return;
  screens.querySelector(`[value="${screen}"]`).checked = true;
  if (language !== null) language.checked = true;
  // The counters are in that language, too.
  document.getElementById("checks")?.dispatchEvent(new Event("input", { bubbles: true }));
  refresh();
}

function hidden(name, value) {
  const input = form.elements[name] ?? form.appendChild(document.createElement("input"));
  Object.assign(input, { type: "hidden", name, value });
}

// A frame that has loaded something keeps each new page in the browser's history, and "back" would go through all of
// them. One that is new has none to keep: so each preview gets a frame of its own, shown in place of the last.
let frames = 0;

// How far somebody has scrolled on each screen: the next preview of it begins there, and not at its top.
const places = {};

// What scrolls in a frame: its page, the plain text on it, or the e-mail within. Nothing is known of another site's
// page, such as the browser's own where the server can't be reached.
function scrollers(frame) {
  const page = frame.contentDocument;
  const mail = page?.querySelector("iframe")?.contentDocument;
  return [page?.scrollingElement, page?.querySelector(".text"), mail?.scrollingElement];
}

function remember(frame) {
  places[frame.dataset.screen] = scrollers(frame).map((one) => one?.scrollTop ?? 0);
}

function scrollBack(frame) {
  const tops = places[frame.dataset.screen] ?? [];
  scrollers(frame).forEach((one, at) => { if (one && tops[at]) one.scrollTop = tops[at]; });
}

function show(load) {
  const old = preview.querySelectorAll("iframe");
  const frame = document.createElement("iframe");
  frames += 1;
  frame.title = "Preview";
  frame.name = `preview-${frames}`;
  frame.dataset.screen = chosenScreen();
  frame.classList.toggle("coming", old.length > 0);
  preview.append(frame);
  frame.addEventListener("load", () => {
    for (const other of old) {
      // One that never was in sight has nothing to remember.
      if (other.isConnected && !other.classList.contains("coming")) remember(other);
      other.remove();
    }
    frame.classList.remove("coming");
    scrollBack(frame);
  });
  load(frame);
}

let isForNewFrame = false;

function showDraft() {
  hidden("live", "1");
  hidden("theme", theme());
  show((frame) => {
    button.formTarget = frame.name;
    isForNewFrame = true;
    form.requestSubmit(button);
    isForNewFrame = false;
  });
}

function showSaved() {
  const address = new URL(preview.dataset.src, location.href);
  address.searchParams.set("theme", theme());
  address.searchParams.set("screen", chosenScreen());
  const language = languages?.querySelector(":checked").value;
  if (language) address.searchParams.set("shown_language", language);
  show((frame) => { frame.src = address; });
}

// Of two submissions of one form a browser drops the first, unless that has begun: the preview must not come in between
// what somebody pressed and its answer.
let isLeaving = false;

function refresh() {
  // Nobody who is logged out gets one: it comes with the next log-in.
  if (isLeaving || document.getElementById("logged-out")?.hidden === false) return;
  if (button) showDraft();
  else showSaved();
}

let pause;

function refreshSoon() {
  clearTimeout(pause);
  pause = setTimeout(refresh, PAUSE_MILLISECONDS);
}

screens.hidden = false;
screens.disabled = false;
screens.addEventListener("change", () => {
  if (chosenScreen() !== "sms") lastMailScreen = chosenScreen();
  clearTimeout(pause);
  refresh();
});
if (languages && !button) languages.addEventListener("change", refresh);
if (button) {
  button.hidden = true;
  form.addEventListener("input", (event) => {
    if (screens.contains(event.target)) return;
    isLeaving = false;
    refreshSoon();
  });
  form.addEventListener("focusin", (event) => look(event.target));
  // One of the hardest readers: the same as looking for them, in their language.
  document.getElementById("hard-readers")?.addEventListener("click", (event) => {
    const chosen = event.target.closest("button[data-reader]");
    if (!chosen) return;
    const language = languages?.querySelector(`[value="${chosen.dataset.language}"]`) ?? languages?.querySelector("input");
    if (language) language.checked = true;
    form.elements.reader.value = chosen.dataset.reader;
    form.elements.reader.dispatchEvent(new Event("input", { bubbles: true }));
  });
  // The Enter key presses the form's first button, which is that of the preview.
  form.addEventListener("submit", (event) => {
    if (isForNewFrame) return;
    if (event.submitter === button) {
      event.preventDefault();
      refresh();
    } else {
      isLeaving = !event.defaultPrevented;
    }
  });
  // Back from where that led, or kept from leaving.
  window.addEventListener("pageshow", () => { isLeaving = false; });
}
refresh();
// The theme is chosen, or remembered, by a script of its own.
new MutationObserver(refreshSoon).observe(document.documentElement, { attributeFilter: ["data-theme"] });
