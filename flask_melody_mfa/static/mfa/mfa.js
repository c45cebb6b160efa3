// Comforts for the sign-in pages. Everything works without this file.

const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

// "Send a new code" rests while the server would refuse it.
function countDown(form) {
  const button = form.querySelector("button");
  const text = form.querySelector("[data-mfa-wait]");
  const status = form.querySelector("[data-mfa-status]");
  const end = Date.now() + Number(form.dataset.mfaResend) * 1000;
  button.hidden = true;
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left > 0) {
      text.textContent = text.dataset.mfaWait.replace("{time}", clock(left));
      return;
    }
    clearInterval(timer);
    button.hidden = false;
    text.textContent = text.dataset.mfaAfter;
    status.textContent = text.dataset.mfaReady;
  };
  const timer = setInterval(tick, 500);
  tick();
}

function copyButton(button) {
  const source = document.getElementById(button.dataset.mfaCopy);
  if (!source || !navigator.clipboard) return;
  const label = button.textContent;
  const status = button.parentElement.querySelector("[data-mfa-copy-status]");
  const lines = source.matches("ol") ? [...source.children] : [source];
  let timer;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(
        lines.map((line) => line.textContent.replace(/\s+/g, "")).join("\n"),
      );
    } catch {
      getSelection().selectAllChildren(source);
      return;
    }
    button.textContent = button.dataset.mfaCopied;
    if (status) status.textContent = button.dataset.mfaCopied;
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.textContent = label;
      if (status) status.textContent = "";
    }, 2500);
  });
}

function printButton(button) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// One submit at a time. The button is not disabled: its name and value must be sent.
const busy = new Map();

function rest(form) {
  const { button, timer } = busy.get(form);
  clearTimeout(timer);
  if (button) button.removeAttribute("aria-busy");
  busy.delete(form);
}

function submitted(event) {
  const form = event.currentTarget;
  if (busy.has(form)) {
    event.preventDefault();
    return;
  }
  const button = event.submitter;
  if (button) button.setAttribute("aria-busy", "true");
  // A navigation that was stopped by hand leaves no event behind.
  busy.set(form, { button, timer: setTimeout(() => rest(form), 10000) });
}

for (const form of document.querySelectorAll("form[data-mfa-form]")) {
  form.addEventListener("submit", submitted);
}
document.querySelectorAll("form[data-mfa-resend]").forEach(countDown);
document.querySelectorAll("button[data-mfa-copy]").forEach(copyButton);
document.querySelectorAll("button[data-mfa-print]").forEach(printButton);

// A page brought back by "back" or "forward" is ready to be used again.
addEventListener("pageshow", () => [...busy.keys()].forEach(rest));

// Times are written in UTC; here the reader's own zone is known.
for (const time of document.querySelectorAll("time[data-mfa-time]")) {
  const style = { dateStyle: "medium" };
  if (time.dataset.mfaTime === "minute") style.timeStyle = "short";
  const language = time.closest("[lang]")?.lang || undefined;
  time.textContent = new Intl.DateTimeFormat(language, style).format(new Date(time.dateTime));
}
