"""What others would write for five of the tasks, with the same models: cuts, words, texts, objects, faces."""
