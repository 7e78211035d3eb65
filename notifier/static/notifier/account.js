// Offers the zone of this computer where another one is chosen.
const select = document.getElementById("id_time_zone");
const offer = document.getElementById("browser-zone");
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;

function show() {
  const known = [...select.options].some((option) => option.value === here);
  offer.hidden = !known || select.value === here;
}

offer.querySelector("span").textContent = here.replaceAll("_", " ");
offer.querySelector("button").addEventListener("click", () => {
  select.value = here;
  show();
  select.focus();
});
select.addEventListener("change", show);
show();
