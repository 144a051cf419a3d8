// Starts what the page needs. Everything here is an extra: the page posts and reads without it.
import { $$ } from "./dom.js";
import * as live from "./live.js";
import * as demo from "./demo.js";
import * as poll from "./poll.js";
import * as pressure from "./pressure.js";
import * as crossover from "./crossover.js";
import { wireCharts, wireDownloads } from "./chart.js";

for (const element of $$("[data-needs-script]")) element.hidden = false;
live.start();
wireCharts(live.lookUp);
wireDownloads();
pressure.start();
crossover.start();
demo.start();
poll.start();
