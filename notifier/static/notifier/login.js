// Helps with the password; without it the page is as good.
const field = document.getElementById("id_password");
const button = document.getElementById("show-password");
const caps = document.getElementById("caps");

button.hidden = false;
button.addEventListener("click", () => {
  const shows = field.type === "password";
  field.type = shows ? "text" : "password";
  button.textContent = shows ? "Hide" : "Show";
  button.setAttribute("aria-pressed", String(shows));
  field.focus();
});
// A password that the browser may keep is sent from a field that it knows as one.
field.form.addEventListener("submit", () => { field.type = "password"; });
for (const kind of ["keydown", "keyup"]) {
  field.addEventListener(kind, (event) => {
    const text = event.getModifierState?.("CapsLock") ? "Caps lock is on." : "";
    // Only a change is read out.
    if (caps.textContent !== text) caps.textContent = text;
  });
}
