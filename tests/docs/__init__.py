"""The pages: their snippets run, their tables are whole, their picture is what the code draws."""
