"use strict";
/* For keyboards and screen readers, what Sphinx and its theme leave out. */
for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.ariaLevel = "2";
for (const wide of document.querySelectorAll("pre, .table-wrapper")) wide.tabIndex = 0; // they scroll
for (const part of document.querySelectorAll("dt.sig dl, dt.sig dd")) part.role = "presentation"; // no definitions
document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "Pages");
