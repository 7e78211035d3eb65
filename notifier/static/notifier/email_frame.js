// Makes the frame of an e-mail as high as the e-mail, so that its end is seen as well. Without it the frame is about as
// high, and scrolls.

// Beyond this a page would be all e-mail.
const HIGHEST = 4000;

function fit(frame) {
  const body = frame.contentDocument?.body;
  if (body?.childElementCount) frame.height = Math.min(HIGHEST, Math.ceil(body.getBoundingClientRect().height));
}

for (const frame of document.querySelectorAll("iframe.email")) {
  frame.addEventListener("load", () => fit(frame));
  // A narrower page makes longer e-mails. Also says so once at the beginning, for a frame that has loaded by then.
  let width = 0;
  new ResizeObserver(() => {
    if (frame.clientWidth !== width) fit(frame);
    width = frame.clientWidth;
  }).observe(frame);
}
