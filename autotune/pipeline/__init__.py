"""The one owner of torch and diffusers: it loads, turns knobs and measures, as a program of its own."""
