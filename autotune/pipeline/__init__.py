"""The one place that owns torch and diffusers: it loads, turns knobs and measures, as a program of its own."""
