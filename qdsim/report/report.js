"use strict";
(() => {
  const figures = [...document.querySelectorAll(".plotly")];
  const config = {
    responsive: true,
    displaylogo: false,
    showSendToCloud: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "hoverClosest3d", "tableRotation"],
    toImageButtonOptions: { format: "svg" },
  };
  const drawn = figures.map((div) => {
    const figure = JSON.parse(document.getElementById(div.dataset.figure).textContent);
    return Plotly.newPlot(div, figure.data, figure.layout, config);
  });
  Promise.all(drawn).then(() => document.documentElement.setAttribute("data-drawn", String(drawn.length)));

  // On paper, drawings are laid out anew for the column; a WebGL canvas can only be scaled.
  const PRINTED = { width: 326, wideWidth: 672, heightRatio: 0.78, font: 9.5, legend: 8.5 };
  const hasShape = (div, shape) => div.closest("figure").classList.contains(shape);
  const onScreen = new Map();
  window.addEventListener("beforeprint", () => {
    for (const div of figures) {
      if (hasShape(div, "tall")) {
        const scale = PRINTED.width / div.offsetWidth;
        div.style.width = `${div.offsetWidth}px`;
        div.style.height = `${scale * div.offsetHeight}px`;
        div.style.transform = `scale(${scale})`;
        continue;
      }
      const { height, font, legend } = div.layout;
      onScreen.set(div, { width: null, height, autosize: true, "font.size": font.size, "legend.font.size": legend.font.size });
      Plotly.relayout(div, {
        width: hasShape(div, "wide") ? PRINTED.wideWidth : PRINTED.width,
        height: PRINTED.heightRatio * height,
        "font.size": PRINTED.font,
        "legend.font.size": PRINTED.legend,
      });
    }
  });
  window.addEventListener("afterprint", () => {
    for (const div of figures) {
      if (hasShape(div, "tall")) div.removeAttribute("style");
      else Plotly.relayout(div, onScreen.get(div));
    }
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
