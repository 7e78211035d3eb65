// A log-in that ends while somebody writes. Nothing leads away from what is typed: the page says so, and goes on as soon
// as the same user has logged in again in another tab. Where nothing was typed, the page goes to the log-in as ever.

const note = document.getElementById("logged-out");
const other = document.getElementById("logged-in-as");

for (const name of note.querySelectorAll("[data-who]")) name.textContent = note.dataset.name;

let isTyped = document.querySelector("#error-summary, [data-unsaved]") !== null;
let lastForm = null;

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.method !== "post") return;
  isTyped = true;
  lastForm = form;
});

// A page of this site tells who is logged in, and has the token that forms carry from now on: a log-in renews it.
async function logIn() {
  try {
    const answer = await fetch(note.dataset.account, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const { user, name } = page.getElementById("logged-out")?.dataset ?? {};
    return { user, name, token: page.querySelector("#logout-form [name=csrfmiddlewaretoken]")?.value };
  } catch {
    return {};
  }
}

async function comeBack() {
  const { user, name, token } = await logIn();
  const isSame = Boolean(token) && user === note.dataset.user;
  if (isSame) {
    for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  }
  other.hidden = isSame || !user;
  other.querySelector("[data-other]").textContent = name ?? "";
  note.hidden = isSame;
  return isSame;
}

// What asks the server while somebody types asks once more.
async function goOn() {
  if (await comeBack()) lastForm?.dispatchEvent(new Event("input", { bubbles: true }));
}

// A refusal that comes again with the new token has another reason, and is shown as it is.
let isSecondTry = false;

document.body.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr } = event.detail;
  const isLoggedOut = xhr.getResponseHeader("HX-Redirect")?.startsWith(note.dataset.login) ?? false;
  const isOutdated = xhr.getResponseHeader("Form-Token") === "outdated" && !isSecondTry;
  isSecondTry = isOutdated;
  if (!isTyped || !(isLoggedOut || isOutdated)) return;
  event.preventDefault();
  // With DEBUG on, django-htmx would put the refusal in the place of the whole page.
  event.stopPropagation();
  goOn();
});

window.addEventListener("focus", () => { if (!note.hidden) goOn(); });

document.addEventListener("submit", async (event) => {
  if (note.hidden || event.target.method !== "post") return;
  const form = event.target;
  const { submitter } = event;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (await comeBack()) form.requestSubmit(submitter);
}, { capture: true });
