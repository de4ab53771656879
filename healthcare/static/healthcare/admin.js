/* Scripts of the admin in addition to Django's. */
"use strict";

document.addEventListener("keydown", event => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const search = document.querySelector("#site-search input");
    if (search) {
      event.preventDefault();
      search.select();
    }
  }
});

/* Ask before leaving a changed form; a form that is shown again with errors already has changes. */
window.addEventListener("load", () => {
  const form = document.querySelector(".change-form #content-main > form");
  if (!form) return;
  const values = () => new URLSearchParams(new FormData(form)).toString();
  const before = values();
  const refused = form.querySelector(".errornote") !== null;
  let sending = false;
  form.addEventListener("submit", () => { sending = true; });
  window.addEventListener("pageshow", () => { sending = false; });
  window.addEventListener("beforeunload", event => {
    if (!sending && (refused || values() !== before)) event.preventDefault();
  });
});

document.addEventListener("click", async event => {
  const button = event.target.closest("[data-print], [data-copy]");
  if (!button) return;
  if ("print" in button.dataset) {
    window.print();
  } else {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).innerText);
    button.textContent = "Copied";
  }
});

/* Accessible names that Django's and Select2's widgets omit: https://dequeuniversity.com/rules/axe/4.11/aria-input-field-name */
function nameWidgets() {
  for (const select of document.querySelectorAll("select.admin-autocomplete")) {
    const label = select.labels[0]?.innerText.replace(/:$/, "") ?? select.closest("td")?.className.replace("field-", "");
    if (!select.labels.length) select.setAttribute("aria-label", label);
    for (const element of select.parentElement.querySelectorAll(".select2-selection, .select2-selection__rendered")) {
      element.removeAttribute("aria-labelledby");
      element.setAttribute("aria-label", `${label}: ${select.selectedOptions[0]?.text || "none chosen"}`);
    }
  }
  for (const tooltip of document.querySelectorAll("span.help-tooltip[aria-label]")) tooltip.setAttribute("role", "img");
  for (const heading of document.querySelectorAll(".tabular th.original")) {
    heading.innerHTML = '<span class="visually-hidden">Record</span>';
  }
  for (const heading of document.querySelectorAll(".tabular thead th:empty")) {
    heading.innerHTML = '<span class="visually-hidden">Remove</span>';
  }
}
/* Select2 creates its widgets in a jQuery callback, which may run after the load event. */
window.django?.jQuery?.(nameWidgets);
window.addEventListener("load", nameWidgets);
document.addEventListener("formset:added", () => setTimeout(nameWidgets));
window.addEventListener("load", () => window.django?.jQuery?.(document).on("change", "select.admin-autocomplete", nameWidgets));
