// A log-in that ends while somebody writes. Nothing leads away from what is typed: the page says that it is no longer
// autosaved, and goes on as soon as the same user has logged in again, in another tab.

const form = document.getElementById("notification_form");
const note = document.getElementById("logged-out");

// The page is asked for once more: whether there is a log-in, whose it is, and the token that forms carry from now on.
async function comeBack() {
  let text;
  try {
    text = await (await fetch(location.pathname)).text();
  } catch {
    return false;
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  const token = page.querySelector("#notification_form [name=csrfmiddlewaretoken]")?.value;
  if (!token || page.getElementById("logged-out")?.dataset.user !== note.dataset.user) return false;
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  note.hidden = true;
  return true;
}

async function goOn() {
  if (await comeBack()) document.getElementById("checks").dispatchEvent(new Event("input", { bubbles: true }));
  else note.hidden = false;
}

// A refusal that comes again after that is no matter of the log-in, and is shown as it is.
let isSecondTry = false;

document.body.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr } = event.detail;
  const isOfLogIn = xhr.getResponseHeader("HX-Redirect")?.startsWith(note.dataset.login);
  if (!isOfLogIn && xhr.status !== 403) isSecondTry = false;
  if (!isOfLogIn && (xhr.status !== 403 || isSecondTry)) return;
  event.preventDefault();
  // With DEBUG on, django-htmx would put the refusal in the place of the whole page.
  event.stopPropagation();
  isSecondTry = !isOfLogIn;
  goOn();
});

window.addEventListener("focus", () => { if (!note.hidden) goOn(); });

form.addEventListener("submit", async (event) => {
  if (note.hidden) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const { submitter } = event;
  // A preview comes by itself once there is a log-in again.
  if (submitter?.formTarget) return;
  if (await comeBack()) form.requestSubmit(submitter);
  else note.scrollIntoView({ block: "nearest" });
}, { capture: true });
