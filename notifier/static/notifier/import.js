// Says that a file is too large before it travels; the server says so as well.
const input = document.querySelector("input[type=file][data-most-bytes]");

input?.addEventListener("change", () => {
  const most = Number(input.dataset.mostBytes);
  const file = input.files[0];
  const isLarge = file !== undefined && file.size > most;
  const words = `This file is ${Math.ceil(file?.size / 1e6)} MB, and the limit is ${most / 1e6} MB. See below how to import a larger file.`;
  input.setCustomValidity(isLarge ? words : "");
  input.reportValidity();
});
