# Text to sequences
mobilebert prepare-pretraining --input D/corpus/novels100.txt.xz --input D/corpus/litbank.txt.xz --input D/corpus/eltec.txt.xz --input D/corpus/gutenberg98.txt.xz --input D/corpus/perseus_eng.txt.xz --input D/corpus/wordnet_glosses.txt.xz --input D/corpus/openstax_ccby.txt.xz --input D/corpus/wiki_vital_summaries.txt.xz --input D/corpus/wiki_split_sentences.txt.xz --input D/corpus/factbook.txt.xz --max-length 128 --held-out 0.01 --output O/data
# The student, from words alone
mobilebert pretrain --config /work/main/recipes/mini/student.json --steps 24000 --vocabulary-from W --learning-rate 0.002 --data O/data --seed 0 --batch-size 128 --precision bfloat16 --checkpoint-every 100 --output O/words
# Weights of float16
python /work/main/recipes/mini/halve.py O/words O/model
# The judgement: held-out text, seed 0, and the targets
python /work/main/recipes/mini/judge.py O/model O/data O/judged.json
# The card
python /work/main/recipes/mini/card.py O/model O O/data O/judged.json
# An answer
mobilebert run --model O/model 'The capital of France is [MASK].'
