"use strict";
(() => {
  const figures = [...document.querySelectorAll(".plotly")];
  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "hoverClosest3d", "tableRotation"],
    toImageButtonOptions: { format: "svg" },
  };
  const drawn = figures.map((div) => {
    const figure = JSON.parse(document.getElementById(div.dataset.figure).textContent);
    return Plotly.newPlot(div, figure.data, figure.layout, config);
  });
  Promise.all(drawn).then(() => document.documentElement.setAttribute("data-drawn", String(drawn.length)));

  const PRINT_WIDTH = { column: 335, page: 690 };
  window.addEventListener("beforeprint", () => {
    for (const div of figures) {
      const wide = div.closest("figure").classList.contains("wide");
      Plotly.relayout(div, { width: wide ? PRINT_WIDTH.page : PRINT_WIDTH.column });
    }
  });
  window.addEventListener("afterprint", () => {
    for (const div of figures) Plotly.relayout(div, { width: null, autosize: true });
  });

  const notice = document.getElementById("copied");
  const tell = (text) => {
    notice.textContent = text;
    notice.classList.add("shown");
    window.setTimeout(() => notice.classList.remove("shown"), 1800);
  };
  document.addEventListener("click", (event) => {
    const source = event.target.closest("[data-uuid]");
    if (!source || String(window.getSelection())) return;
    const uuid = source.dataset.uuid;
    navigator.clipboard.writeText(uuid).then(
      () => tell(`copied node ${uuid}`),
      () => tell(`node ${uuid}`),
    );
  });
})();
