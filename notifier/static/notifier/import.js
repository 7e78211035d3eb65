// Says that a file is too large before it travels; the server says so as well.
const input = document.querySelector("input[type=file][data-most-bytes]");

input?.addEventListener("change", () => {
  const most = Number(input.dataset.mostBytes);
  const file = input.files[0];
  const isLarge = file !== undefined && file.size > most;
  const words = `This file has ${Math.ceil(file?.size / 1e6)} MB, and ${most / 1e6} MB is the most. See below how a larger one is imported.`;
  input.setCustomValidity(isLarge ? words : "");
  input.reportValidity();
});
