// Unpacks plotly's script and draws every chart of the page in the colours of the reader's light or dark theme.
// Okabe and Ito's colours can be told apart by the colour-blind; their yellow and black are replaced, since one
// vanishes on white and the other on black.
const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#a65628", "#a0a010", "#5540b0"];
const DARK = ["#4aa8e0", "#f08040", "#20b890", "#dc8ab8", "#7cc8f4", "#e6a820", "#a0a0a0", "#c87848", "#b8b830", "#9a8cf0"];
const dark = matchMedia("(prefers-color-scheme: dark)");
const plots = [...document.querySelectorAll(".plot")];

async function plotlyScript() {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), c => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

function layoutOf(layout) {
  const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = { gridcolor: color("--rule"), linecolor: color("--rule"), zeroline: false, automargin: true };
  const axisOf = own => ({ ...axis, ...own, title: { ...own.title, standoff: 8 } });
  return {
    ...layout,
    xaxis: axisOf({ showline: true, ...layout.xaxis }),
    yaxis: axisOf(layout.yaxis),
    colorway: dark.matches ? DARK : LIGHT,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: color("--text") },
    hoverlabel: { namelength: -1, bgcolor: color("--back"), font: { color: color("--text") } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: color("--soft"), activecolor: color("--text") },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    margin: { l: 50, r: 14, t: 14, b: 36 },
  };
}

function draw(plot) {
  const { data, layout } = JSON.parse(plot.parentElement.querySelector("script").textContent);
  Plotly.react(plot, data, layoutOf(layout), { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "resetScale2d"]] });
}

async function drawAll() {
  const script = document.createElement("script");
  script.textContent = await plotlyScript();
  document.head.append(script);
  plots.forEach(draw);
  dark.addEventListener("change", () => plots.forEach(draw));
}

if (plots.length) {
  drawAll().catch(error => plots.forEach(plot => { plot.textContent = `This browser cannot draw the chart: ${error}`; }));
}
