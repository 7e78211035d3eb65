// "/" goes to the page's search, wherever nobody is writing. Whoever speaks to the computer, or hits it by mistake, can
// switch it off on the account page; this browser remembers it.

const OFF = "notifier.keys.off";
const search = document.querySelector("#searchbar, main input[type=search]");
const choice = document.getElementById("keys");

function isOn() {
  try {
    return localStorage.getItem(OFF) === null;
  } catch {
    // A browser that keeps nothing for pages.
    return true;
  }
}

function isWriting(element) {
  return element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName) && !/^(checkbox|radio|submit|button)$/.test(element.type);
}

if (search && isOn()) {
  search.setAttribute("aria-keyshortcuts", "/");
  if (search.placeholder === "Search") search.placeholder = "Search (press /)";
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isWriting(event.target)) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
}

if (choice) {
  choice.hidden = false;
  const box = choice.querySelector("input");
  box.checked = isOn();
  box.addEventListener("change", () => {
    if (box.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
}
