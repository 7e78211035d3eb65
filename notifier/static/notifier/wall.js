// The progress page on a wall: dark unless somebody chose light, full screen on request, and awake.

if (localStorage.getItem("theme") !== "light") document.documentElement.dataset.theme = "dark";

if (document.fullscreenEnabled) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "wall-link";
  button.id = "full-screen";
  button.textContent = "Full screen";
  button.addEventListener("click", () => document.documentElement.requestFullscreen());
  document.addEventListener("fullscreenchange", () => { button.hidden = document.fullscreenElement !== null; });
  document.querySelector(".wall-links").prepend(button);
}

// Refused where the battery is low or the page is hidden: then the screen may sleep.
const stayAwake = () => navigator.wakeLock?.request("screen").catch(() => {});
document.addEventListener("visibilitychange", () => { if (!document.hidden) stayAwake(); });
stayAwake();
