"use strict";

// Swagger UI has a dark mode, but only its top bar, which this page has not, turns it on.
const dark = matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followSystem);
followSystem();
